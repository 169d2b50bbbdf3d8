# shellcheck shell=bash
# What scripts/bench and scripts/profile run on: a release build, a private broker and database. Sourced, inside the toolbox.
#   bench_start     makes them; sets $work, exports DATABASE_URL and KAFKA_BROKERS; all of it is gone when the script ends
#   bench_run PY…   runs it with python3, and ends it where this script is ended
. scripts/lib/database.sh
. scripts/lib/kafka.sh

bench_clean_up() {
  trap '' INT TERM HUP  # A second signal must not end the cleaning up.
  trap - EXIT
  [ -z "${bench_running:-}" ] || { kill "$bench_running" 2> /dev/null; wait "$bench_running"; } || true
  kafka_stop "$work/kafka" || true
  database_stop "$work/database" || true
  rm -rf --one-file-system "$work"
}

bench_build() {
  local programs=() source
  for source in test/bench/*.cpp; do source=${source##*/}; programs+=("bench_${source%.cpp}"); done
  cmake --preset release -DPENSTOCK_TESTS=ON > "$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
  cmake --build --preset release --target penstock "${programs[@]}" > "$work/build.log" || { tail -40 "$work/build.log"; exit 1; }
}

bench_start() {
  work=$(mktemp -d /tmp/penstock-bench-XXXXXX)
  chmod 755 "$work"
  trap bench_clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  say "build (preset release)"
  bench_build
  say "private TimescaleDB and Apache Kafka"
  database_start "$work/database"
  # Commit times say when a row became visible, whatever penstock itself claims.
  psql "$DATABASE_URL" -X -q -c 'alter system set track_commit_timestamp = on'
  database_stop "$work/database"
  database_start "$work/database"
  kafka_start "$work/kafka"
  export DATABASE_URL KAFKA_BROKERS
  export PENSTOCK_SPOOL_FOLDER=$work/spool
}

# In the background, for a shell that waits for a program in the foreground hears no signal.
bench_run() {
  python3 -B "$@" &
  bench_running=$!
  local ended=0
  wait "$bench_running" || ended=$?
  bench_running=
  return "$ended"
}
