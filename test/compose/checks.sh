# shellcheck shell=bash
# What must be seen in a compose/ that runs. Sourced by scripts/compose-test.

address_of() { docker_here inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(compose ps -q "$1")"; }
sql() { docker_here exec -i -e PGPASSWORD=penstock "$(compose ps -q database)" psql -X -q -h 127.0.0.1 -U penstock -d penstock --csv -v ON_ERROR_STOP=1; }
prometheus=http://$(address_of prometheus):9090

# What a query of Prometheus brings: its first value, or nothing.
value_of() {
  curl -fsS --get --data-urlencode "query=$1" "$prometheus/api/v1/query" |
    python3 -c 'import json, sys; found = json.load(sys.stdin)["data"]["result"]; print(found[0]["value"][1] if found else "")'
}

# until_true SECONDS WHAT COMMAND…: the command must become true within that time.
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt "$end" ] || { compose ps -a >&2; compose logs --tail 20 >&2; die "not so: $what"; }
    sleep 1
  done
  say "$what"
}
holds() { [ "$(value_of "$1")" = 1 ]; }
rows() { [ "$(sql <<< "select count(*) from $1" | tail -1)" -gt "$2" ]; }
rules_are_well() {
  curl -fsS "$prometheus/api/v1/rules" |
    python3 -c 'import json, sys; rules = [r for g in json.load(sys.stdin)["data"]["groups"] for r in g["rules"]]; sys.exit(not rules or any(r["health"] != "ok" for r in rules))'
}
audited() { docker_here exec "$(compose ps -q agents)" penstock audit; }

until_true 60 "Prometheus has every target" holds 'min(up) == bool 1'
until_true 60 "every agent runs" holds 'min(penstock_up) == bool 1'
until_true 60 "trades are in the table" rows trades 1000
until_true 90 "candles are in the table" rows candles 0
until_true 60 "the audit that runs by itself says that it adds up" holds 'min(penstock_audit_ok) == bool 1'
until_true 60 "the audit asked for by hand agrees" audited
until_true 60 "no rule has an error" rules_are_well

# The dashboards' rates look back a minute.
until_true 90 "there is a minute of history" holds 'count_over_time(up{job="penstock"}[2m]) > bool 14'
declare -f docker_here sql > "$work/psql"
declare -p docker_pid docker_dir docker_root >> "$work/psql"
printf 'compose() { echo %s; }\nsql\n' "$(compose ps -q database)" >> "$work/psql"
python3 -B test/compose/panels.py "$prometheus" bash "$work/psql" || die "a panel has no data"
