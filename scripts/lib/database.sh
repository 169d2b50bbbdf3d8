# A private PostgreSQL 17 with TimescaleDB, for trying out and for tests. Sourced by scripts, inside the toolbox.
#
#   database_start DIR     makes it (once) and starts it; sets DATABASE_URL
#   database_stop DIR [MODE]   stops it, MODE fast (default) or immediate; nothing is left running
#
# It listens on loopback and on a socket in DIR only, and lets role penstock in without a password. A second start of
# a running one just sets DATABASE_URL again. A stop by kill -9 is survived. Errors: a line on stderr, return 1.

# shellcheck source=scripts/lib/ports.sh
. "$(dirname "${BASH_SOURCE[0]}")/ports.sh"

_database_say() { printf 'database: %s\n' "$*" >&2; }

# PostgreSQL refuses to run as root; then it runs as the system's user postgres.
_database_run() {
  local bin=/usr/lib/postgresql/17/bin/$1
  shift
  if [ "$(id -u)" -eq 0 ]; then
    (cd / && exec setpriv --reuid "$(id -u postgres)" --regid "$(id -g postgres)" --clear-groups \
      env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE -u PGOPTIONS -u PGSERVICE HOME=/tmp "$bin" "$@")
  else
    (cd / && exec env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE -u PGOPTIONS -u PGSERVICE "$bin" "$@")
  fi
}

# The postmaster's pid where it runs, else nothing and return 1.
_database_pid() {
  local pid
  pid=$(sed -n 1p "$1/data/postmaster.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  # After a kill -9 the number may belong to anybody.
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ] || return 1
  tr '\0' '\n' < "/proc/$pid/cmdline" | grep -qxF "$1/data" || return 1
  printf '%s' "$pid"
}

_database_absolute() {
  mkdir -p "$1" && (cd "$1" && pwd -P)
}

_database_make() {
  local dir=$1 data=$1/data
  [ -f "$data/PG_VERSION" ] && return 0
  [ -x /usr/lib/postgresql/17/bin/initdb ] || { _database_say "PostgreSQL 17 is not here: run this inside scripts/toolbox"; return 1; }
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid "$(id -u postgres)" --regid "$(id -g postgres)" --clear-groups test -x "$dir" || {
      _database_say "user postgres cannot enter $dir: choose a folder all of whose parents may be entered by others (chmod o+x)"
      return 1
    }
    install -d -o postgres -g postgres -m 755 "$dir/server" || return 1
  else
    mkdir -p "$dir/server" || return 1
  fi
  # Made under another name first, so that an interrupted initdb is not taken for a database.
  local partial=$dir/server/partial
  rm -rf "$partial"
  if ! _database_run initdb -D "$partial" -U penstock -A trust -E UTF8 --locale=C.UTF-8 --locale-provider=builtin --builtin-locale=C.UTF-8 > "$dir/initdb.log" 2>&1; then
    tail -3 "$dir/initdb.log" >&2
    _database_say "initdb failed (log: $dir/initdb.log)"
    return 1
  fi
  printf '%s\n' 'local all penstock trust' 'host all penstock 127.0.0.1/32 trust' > "$partial/pg_hba.conf"
  echo "include 'penstock.conf'" >> "$partial/postgresql.conf"
  mv "$partial" "$dir/server/data" && ln -sfn server/data "$data"
}

_database_configure() {
  local dir=$1 port=$2 sockets=$1/server
  # A socket's path is limited to 107 bytes.
  [ ${#sockets} -le 85 ] || sockets=
  cat > "$dir/server/data/penstock.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$sockets'
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = 4
max_worker_processes = 12
max_connections = 60
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
jit = off
fsync = on
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
logging_collector = off
log_checkpoints = off
CONF
}

database_start() {
  local dir port pid tries ran
  dir=$(_database_absolute "$1") || return 1
  _database_make "$dir" || return 1
  port=$(cat "$dir/port" 2>/dev/null || true)
  if ! pid=$(_database_pid "$dir"); then
    rm -f "$dir/server/data/postmaster.pid" "$dir"/server/.s.PGSQL.*
    for tries in $(seq 1 20); do
      [ -n "$port" ] || port=$(free_ports 1)
      _database_configure "$dir" "$port"
      # No descriptor of the caller's (a lock, a pipe) may live on in the server.
      ran=0
      (
        for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-"; done 2>/dev/null
        _database_run pg_ctl -D "$dir/data" -l "$dir/server/log" -w -t 60 start < /dev/null > /dev/null 2>&1
      ) || ran=$?
      [ "$ran" -eq 0 ] && break
      # Children of a killed server need a moment to notice; another program may have taken the port.
      tail -5 "$dir/server/log" 2>/dev/null | grep -q 'still in use\|in use\|could not bind' || break
      port=
      sleep 0.3
    done
    if ! pid=$(_database_pid "$dir"); then
      tail -3 "$dir/server/log" >&2
      _database_say "PostgreSQL did not start (log: $dir/server/log)"
      return 1
    fi
    echo "$port" > "$dir/port"
  fi
  DATABASE_URL="postgresql://penstock@127.0.0.1:$port/penstock"
  export DATABASE_URL
  if ! _database_run psql -X -q -h 127.0.0.1 -p "$port" -U penstock -d postgres -Atc "select 1 from pg_database where datname = 'penstock'" | grep -q 1; then
    _database_run createdb -h 127.0.0.1 -p "$port" -U penstock penstock || return 1
  fi
}

database_stop() {
  local dir pid waited
  [ -d "$1" ] || return 0
  dir=$(_database_absolute "$1") || return 1
  pid=$(_database_pid "$dir") || return 0
  _database_run pg_ctl -D "$dir/data" -m "${2:-fast}" -w -t 20 stop > /dev/null 2>&1 ||
    _database_run pg_ctl -D "$dir/data" -m immediate -w -t 10 stop > /dev/null 2>&1 || true
  for waited in $(seq 1 50); do
    [ -d "/proc/$pid" ] || return 0
    [ "$waited" -lt 40 ] || kill -9 "$pid" 2>/dev/null || true
    sleep 0.1
  done
  _database_say "PostgreSQL (pid $pid) did not stop"
  return 1
}
