# shellcheck shell=bash
# What must be seen in a compose/ that runs. Sourced by scripts/compose-test.

in_service() { docker_here exec -i "$(compose ps -q "$1")" "${@:2}"; }
sql() { in_service database sh -c 'PGPASSWORD=$POSTGRES_PASSWORD psql -X -q -h 127.0.0.1 -U penstock -d penstock --csv -v ON_ERROR_STOP=1'; }
sql_of_grafana() { in_service database env PGPASSWORD=change-me psql -X -q -h 127.0.0.1 -U grafana -d penstock --csv -v ON_ERROR_STOP=1; }
# The ports that compose.yaml publishes.
prometheus=http://127.0.0.1:9090
ask() { docker_beside python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())' "$1"; }
opens() { docker_beside python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)' "$1"; }

# What a query of Prometheus brings: its first value, or nothing.
value_of() {
  ask "$prometheus/api/v1/query?query=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$1")" |
    python3 -c 'import json, sys; found = json.load(sys.stdin)["data"]["result"]; print(found[0]["value"][1] if found else "")'
}

# until_true SECONDS WHAT COMMAND…: the command must become true within that time.
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt "$end" ] || { compose ps -a >&2; compose logs --tail 20 >&2; "$@" >&2 || true; die "not so: $what"; }
    sleep 1
  done
  say "$what"
}
holds() { [ "$(value_of "$1")" = 1 ]; }
rows() { [ "$(sql <<< "select count(*) from $1" | tail -1)" -gt "$2" ]; }
rules_are_well() {
  ask "$prometheus/api/v1/rules" |
    python3 -c 'import json, sys; rules = [r for g in json.load(sys.stdin)["data"]["groups"] for r in g["rules"]]; sys.exit(len(rules) != int(sys.argv[1]) or any(r["health"] != "ok" for r in rules))' \
      "$(grep -c -- '- alert:' compose/prometheus/alerts.yml)"
}
audited() { in_service agents penstock audit; }

# The image: what it holds, and who runs in it.
inspect() { docker_here inspect -f "$1" "$(compose ps -q agents)"; }
own_size=$(($(docker_here image inspect -f '{{.Size}}' penstock) - $(docker_here image inspect -f '{{.Size}}' debian:trixie)))
[ "$own_size" -lt 150000000 ] || die "the agents' image is $((own_size / 1000000)) MB larger than its base: 150 are the limit"
[ "$(in_service agents id -u)" = 901 ] || die "the agents do not run as their own user"
in_service agents sh -c '! command -v g++ cmake ninja git' > /dev/null || die "the agents' image has compilers in it"
in_service agents sh -c '! touch /usr/bin/penstock' 2> /dev/null || die "the agents may write to their own program"
[ "$(inspect '{{.State.Health.Status}} {{.HostConfig.ReadonlyRootfs}}')" = "healthy true" ] || die "the agents' container is not healthy, or not read-only"
say "the agents' image: $((own_size / 1000000)) MB on its base, user 901, read-only, healthy"

until_true 60 "Prometheus has every target" holds 'min(up) == bool 1'
until_true 60 "every agent runs" holds 'min(penstock_up) == bool 1'
until_true 10 "the agents say at their port that they are ready" ask http://127.0.0.1:9464/readyz
until_true 10 "penstock ctl answers inside" in_service agents penstock ctl status
for port in 5432 19092; do until_true 10 "port $port is open" opens "$port"; done
until_true 60 "trades are in the table" rows trades 1000
until_true 90 "candles are in the table" rows candles 0
until_true 60 "the audit that runs by itself says that it adds up" holds 'min(penstock_audit_ok) == bool 1'
until_true 60 "the audit asked for by hand agrees" audited
until_true 60 "Prometheus has every rule, and none has an error" rules_are_well
until_true 10 "no alert fires" holds 'absent(ALERTS{alertstate="firing"})'

[ "$(sql <<< "select distinct usename from pg_stat_activity where application_name like 'penstock%'" | tail -n +2 | xargs)" = penstock_store ] ||
  die "the agents are in the database as somebody else than penstock_store"
sql_of_grafana <<< 'select count(*) from trades' > /dev/null || die "Grafana's user may not look"
if sql_of_grafana <<< 'create table mine (x int); delete from trades' 2> /dev/null; then die "Grafana's user may do more than look"; fi
say "agents and Grafana have no more rights in the database than they need"

# The dashboards' rates look back 20 s: four scrapes.
until_true 60 "there is half a minute of history" holds 'count_over_time(up{job="penstock"}[2m]) > bool 6'
declare -f docker_here in_service sql_of_grafana > "$work/psql"
declare -p docker_pid docker_dir >> "$work/psql"
printf 'compose() { echo %s; }\nsql_of_grafana\n' "$(compose ps -q database)" >> "$work/psql"
docker_beside python3 -B test/compose/panels.py "$prometheus" bash "$work/psql" || die "a panel has no data"
