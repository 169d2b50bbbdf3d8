# A simulator and a pipeline on it, for scripts/demo and test/end_to_end. Sourced, inside the toolbox. $penstock = the program.
#
#   simulator_start DIR ARGUMENTS…   starts `penstock simulate ARGUMENTS…`; what it prints for penstock.toml is in DIR/urls.toml
#   simulator_stop
#   truth_equal URL FILE             the table of what was sent and what is stored; fails where they differ

simulator_start() {
  local dir=$1 tries
  shift
  : > "$dir/urls.toml"
  "$penstock" simulate "$@" > "$dir/urls.toml" 2> "$dir/simulate.log" < /dev/null &
  simulator_pid=$!
  for tries in $(seq 1 200); do
    grep -q 'listening' "$dir/simulate.log" && return 0
    kill -0 "$simulator_pid" 2>/dev/null || break
    sleep 0.05
  done
  cat "$dir/simulate.log" >&2
  printf 'the simulator did not start\n' >&2
  return 1
}

simulator_stop() {
  [ -n "${simulator_pid:-}" ] || return 0
  kill "$simulator_pid" 2>/dev/null || true
  wait "$simulator_pid" 2>/dev/null || true
  simulator_pid=
}

truth_equal() {
  psql "$1" -X -f "$(dirname "${BASH_SOURCE[0]}")/truth.sql" < "$2"
}
