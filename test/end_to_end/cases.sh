# The cases of test/end_to_end/run; test/CMakeLists.txt names them. Sourced by it.

# Every provider, no faults: all of it must land, and no gap but the books' late joins may be seen.
case_market_embedded() {
  begin market-embedded
  simulator_start "$dir" binance hyperliquid coingecko --port 0 --seed 7 --rate 3000 --length 10s --truth "$dir/truth.jsonl"
  flow --embedded
  truth_equal "$database" "$dir/truth.jsonl"
  no_open_gaps
  positive 'books that were bridged to a snapshot' "$(sql "select count(*) from gaps where cause = 'late-join' and state = 'filled'")"
  equal 'gaps other than late joins' 0 "$(sql "select count(*) from gaps where cause <> 'late-join'")"
  end
}

# More than 10 times what the embedded broker keeps of a partition (5 MB): nothing may be trimmed unread.
case_embedded_volume() {
  begin embedded-volume
  simulator_start "$dir" binance --port 0 --seed 3 --rate max --length 250000 --symbols BTC --truth "$dir/truth.jsonl"
  echo 'symbols = ["BTC/USDT"]' >> "$dir/urls.toml"
  flow --embedded
  truth_equal "$database" "$dir/truth.jsonl"
  end
}

# Real transactions, and a venue that drops frames and cuts the connection: the holes are seen, fetched and closed.
case_faults_on_kafka() {
  [ -n "${PENSTOCK_TEST_BROKERS:-}" ] || { echo "skipped: faults-on-kafka: PENSTOCK_TEST_BROKERS is not set"; return 0; }
  begin faults-on-kafka
  # The audit adds up all that the broker holds, so other tests' topics must not be there.
  if [ -n "${PENSTOCK_TEST_KAFKA_DIR:-}" ]; then kafka_start "$work/kafka"; else KAFKA_BROKERS=$PENSTOCK_TEST_BROKERS; fi
  simulator_start "$dir" binance --port 0 --seed 11 --rate 2000 --length 20s --truth "$dir/truth.jsonl" --fault drop=0.002 --fault malformed=0.001 --fault disconnect=7
  printf '[kafka]\nbrokers = "%s"\n' "$KAFKA_BROKERS" >> "$dir/urls.toml"
  while_running() { sleep 8; "$penstock" audit --config "$dir/penstock.toml" > "$dir/audit-running.log" 2>&1 || touch "$dir/audit-failed"; }
  while_running & local auditor=$!
  # A gap whose first fetch came to nothing is asked for again after 5 s.
  idle=12 flow
  wait "$auditor"
  [ ! -e "$dir/audit-failed" ] || { printf 'FAILED %s: the audit while it runs\n' "$name"; cat "$dir/audit-running.log"; failed=1; }
  truth_equal "$database" "$dir/truth.jsonl"
  positive 'holes in trade ids that were filled' "$(sql "select count(*) from gaps where channel = 'trade' and state = 'filled'")"
  positive 'lost connections' "$(sql "select count(*) from gaps where symbol = '*' and cause = 'reconnect'")"
  # The venue goes on cutting the connection: it may be away at the moment of the stop.
  no_open_gaps "symbol <> '*'"
  audited_and_meddled_with
  end
}

# The audit of what the pipeline left is clean, and no longer when somebody has changed it.
audited_and_meddled_with() {
  audit 0 'it adds up' --deep
  positive 'malformed frames' "$("$penstock" audit --json --config "$dir/penstock.toml" | python3 -c 'import json, sys; print(sum(p["dead_frames"] for p in json.load(sys.stdin)["raw"]))')"
  local row; row="consumer_group = 'penstock-store' and topic = 'md.trades' and partition = (select max(partition) from penstock.ledger where topic = 'md.trades')"
  local partition; partition=md.trades/$(sql "select max(partition) from penstock.ledger where topic = 'md.trades'")
  sql "update penstock.ledger set duplicate = duplicate + 1 where $row" > /dev/null
  audit 1 "DIFFERS  $partition: "
  sql "update penstock.ledger set duplicate = duplicate - 1 where $row" > /dev/null
  sql "update penstock.offsets set next_offset = next_offset - 1 where $row" > /dev/null
  audit 1 "DIFFERS  $partition: "
  sql "update penstock.offsets set next_offset = next_offset + 1 where $row" > /dev/null
  sql "delete from trades where (source, symbol, id) in (select source, symbol, id from trades limit 1)" > /dev/null
  audit 0 'it adds up'
  audit 1 'DIFFERS  table trades: ' --deep
  sql "delete from penstock.ledger where $row" > /dev/null
  audit 1 "DIFFERS  $partition: "
}
# audit EXIT TEXT FLAG…
audit() {
  local expected=$1 text=$2 found=0; shift 2
  "$penstock" audit --config "$dir/penstock.toml" "$@" > "$dir/audit.log" 2>&1 || found=$?
  [ "$found" -eq "$expected" ] && grep -qF "$text" "$dir/audit.log" && return 0
  printf 'FAILED %s: audit %s: expected exit %s and "%s", found %s:\n' "$name" "$*" "$expected" "$text" "$found"
  cat "$dir/audit.log"
  failed=1
}

# Recorded traffic against facts of an independent reading of it.
case_recordings() {
  local samples=${PENSTOCK_TEST_RECORDINGS:-}
  [ -d "$samples/binance" ] || { echo "skipped: recordings: PENSTOCK_TEST_RECORDINGS is not set"; return 0; }
  begin recordings
  simulator_start "$dir" binance hyperliquid coingecko --port 0 --speed max \
    --recording "$samples/binance/ws-spot-btcusdt-depth100ms-bookTicker-trade-1.jsonl" --recording "$samples/binance/rest-exchangeInfo-2021-10.json" \
    --recording "$samples/hyperliquid" --recording "$samples/coingecko"
  flow --embedded
  equal 'Binance trades' 6025 "$(sql "select count(*) from trades where source = 'binance'")"
  equal 'Binance trade ids without a hole' 6025 "$(sql "select max(id::bigint) - min(id::bigint) + 1 from trades where source = 'binance'")"
  equal 'Binance tickers' 18736 "$(sql "select count(*) from tickers where source = 'binance'")"
  equal 'broken chains of book updates' 0 "$(sql "
    select count(*) from (select previous_sequence, lag(sequence) over (order by sequence) as last from books
      where source = 'binance' and type = 'update') chain where last is not null and previous_sequence <> last")"
  equal 'Binance book snapshots' 1 "$(sql "select count(*) from books where source = 'binance' and type = 'snapshot'")"
  equal 'Hyperliquid books (46 messages, two of them the same)' 45 "$(sql "select count(*) from books where source = 'hyperliquid'")"
  positive 'CoinGecko tickers' "$(sql "select count(*) from tickers where source = 'coingecko'")"
  positive 'CoinGecko figures' "$(sql "select count(*) from stats where source = 'coingecko'")"
  no_open_gaps
  end
}

spool_bytes() { cat "$PENSTOCK_SPOOL_FOLDER"/*/*/*.spool 2>/dev/null | wc -c; }
spool_is_empty() { [ "$(spool_bytes)" -eq 0 ]; }
spooled() { [ "$(spool_bytes)" -ge "$1" ]; }
stored_trades() { [ "$(sql 'select count(*) from trades')" -ge "$1" ]; }
truth_is_stored() { truth_equal "$database" "$dir/truth.jsonl" > /dev/null 2>&1; }

publisher_start() {
  "$penstock" publish binance --config "$dir/penstock.toml" 2>> "$dir/publish.log" &
  publisher_pid=$!
}
publisher_stop() {
  local began=$EPOCHREALTIME took
  kill "$publisher_pid"
  wait "$publisher_pid" || { printf 'FAILED %s: the publisher did not stop well:\n' "$name"; tail -5 "$dir/publish.log"; failed=1; }
  took=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
  publisher_pid=
  [ "$took" -lt 5000 ] || { printf 'FAILED %s: the publisher took %s ms to stop\n' "$name" "$took"; failed=1; }
}

# The broker is away for 20 s: the publisher goes on with its spool, is ended and started again in the middle of it, the store
# is killed and waits, and all that was sent lands. A broker of its own: it is killed, and holds nothing of other cases.
case_broker_away() {
  [ -n "${PENSTOCK_TEST_BROKERS:-}" ] || { echo "skipped: broker-away: PENSTOCK_TEST_BROKERS is not set, so there is no Kafka"; return 0; }
  begin broker-away
  kafka_start "$work/kafka"
  simulator_start "$dir" binance --port 0 --seed 17 --rate 1000 --length 40s --truth "$dir/truth.jsonl" --symbols BTC,ETH
  { cat "$dir/urls.toml"
    printf 'symbols = ["BTC/USDT", "ETH/USDT"]\nchannels = ["trade", "depth"]\n'
    printf '[kafka]\nbrokers = "%s"\n[database]\nurl = "%s"\n' "$KAFKA_BROKERS" "$database"
  } > "$dir/penstock.toml"
  "$penstock" up --without publish --config "$dir/penstock.toml" --status-file "$dir/status.json" > "$dir/up.log" 2>&1 &
  up_pid=$!
  wait_until grep -q 'topics applied' "$dir/up.log"
  publisher_start
  local market_began=$SECONDS
  wait_until stored_trades 1000

  kill -9 "$(cat "$work/kafka/pid")"
  local began=$SECONDS
  wait_until spooled 500000
  kill -9 "$(sed -n 's/.*"name":"store","state":"running","pid":\([0-9]*\).*/\1/p' "$dir/status.json")"
  publisher_stop
  local left; left=$(spool_bytes)
  [ "$left" -ge 500000 ] || { printf 'FAILED %s: the publisher left %s bytes in its spool\n' "$name" "$left"; failed=1; }
  publisher_start
  wait_until spooled $((2 * left))
  while [ $((SECONDS - began)) -lt 20 ]; do sleep 0.2; done
  kafka_start "$work/kafka"

  wait_until spool_is_empty
  while [ $((SECONDS - market_began)) -lt 43 ]; do sleep 0.2; done
  wait_until truth_is_stored
  publisher_stop
  up_stop
  simulator_stop
  truth_equal "$database" "$dir/truth.jsonl" || failed=1
  no_open_gaps
  equal 'starts of the store' 1 "$(grep -c 'store was killed.*restart_in_ms' "$dir/up.log")"
  positive 'lines of the store that it waits for the broker' "$(grep -c 'agent=store.*it is waited for' "$dir/up.log")"
  # Only what came while there was no publisher had to be fetched: of a second or two, not of twenty.
  local fetched; fetched=$(sql "select coalesce(sum(to_sequence - from_sequence + 1), 0) from gaps where channel = 'trade'")
  [ "$fetched" -lt 2000 ] || { printf 'FAILED %s: %s trades were not in the spool\n' "$name" "$fetched"; failed=1; }
  end
}

# What an operator plans and what the broker then has; what destroys is done only when it is said.
case_topics() {
  [ -n "${PENSTOCK_TEST_BROKERS:-}" ] || { echo "skipped: topics: PENSTOCK_TEST_BROKERS is not set, so there is no Kafka"; return 0; }
  begin topics
  kafka_start "$work/kafka"
  printf '[kafka]\nbrokers = "%s"\npartitions = 2\n[publish.binance]\n' "$KAFKA_BROKERS" > "$dir/penstock.toml"
  topics 3 'changes to make: run `penstock topics apply`' plan --exit-code
  topics 0 'changes made' apply
  topics 0 'nothing to do' plan --exit-code
  printf '[topics."md.trades"]\npartitions = 3\nretention_hours = 900\n' >> "$dir/penstock.toml"
  topics 3 'needs --yes' plan --exit-code
  topics 0 '1 left out: say --yes' apply
  topics 3 'add-partitions' plan --exit-code
  topics 0 '1 change made' apply --yes
  topics 0 'nothing to do' plan --exit-code
  sed -i 's/^retention_hours = 900$/retention_hours = 1/' "$dir/penstock.toml"
  topics 0 '1 left out: say --yes' apply
  topics 0 '"left_out":0' apply --yes --json
  sed -i 's/^partitions = 3$/partitions = 2/' "$dir/penstock.toml"
  topics 3 'too-many-partitions' plan --exit-code
  topics 0 'too-many-partitions' apply --yes
  sed -i 's/^retention_hours/retention_hour/' "$dir/penstock.toml"
  topics 2 'line 7' plan
  end
}
# topics EXIT TEXT WORD…
topics() {
  local expected=$1 text=$2 found=0; shift 2
  "$penstock" topics "$@" --config "$dir/penstock.toml" > "$dir/topics.log" 2>&1 || found=$?
  [ "$found" -eq "$expected" ] && grep -qF -- "$text" "$dir/topics.log" && return 0
  printf 'FAILED %s: topics %s: expected exit %s and "%s", found %s:\n' "$name" "$*" "$expected" "$text" "$found"
  cat "$dir/topics.log"
  failed=1
}

# The drill of docs/operations.md: a backup taken while all of it runs, the database lost later, restored, and what came after
# the backup read again from the topics. A broker of its own, as above.
case_restore() {
  [ -n "${PENSTOCK_TEST_BROKERS:-}" ] || { echo "skipped: restore: PENSTOCK_TEST_BROKERS is not set, so there is no Kafka"; return 0; }
  begin restore
  kafka_start "$work/kafka"
  simulator_start "$dir" binance --port 0 --seed 23 --rate 300 --length 45s --truth "$dir/truth.jsonl" --symbols BTC,ETH
  { cat "$dir/urls.toml"
    printf 'symbols = ["BTC/USDT", "ETH/USDT"]\nchannels = ["trade", "depth"]\n'
    printf '[kafka]\nbrokers = "%s"\n[database]\nurl = "%s"\n' "$KAFKA_BROKERS" "$database"
  } > "$dir/penstock.toml"
  "$penstock" up --config "$dir/penstock.toml" > "$dir/up.log" 2>&1 &
  up_pid=$!
  wait_until stored_trades 2000
  pg_dump --format custom --file "$dir/backup" "$database"
  local backed_up; backed_up=$(sql 'select count(*) from trades')
  wait_until stored_trades $((backed_up + 2000))
  kill "$up_pid"
  wait "$up_pid" || { printf 'FAILED %s: up did not stop well:\n' "$name"; tail -30 "$dir/up.log"; failed=1; }

  psql "$PENSTOCK_TEST_DATABASE" -X -q -c "drop database ${database##*/} with (force)" -c "create database ${database##*/}"
  sql 'create extension timescaledb' && sql 'select timescaledb_pre_restore()' > /dev/null
  pg_restore --no-owner --dbname "$database" "$dir/backup" 2> "$dir/restore.log" || true  # It complains that the extension is there.
  sql 'select timescaledb_post_restore()' > /dev/null
  local restored; restored=$(sql 'select count(*) from trades')
  [ "$restored" -ge 2000 ] && [ "$restored" -le "$backed_up" ] || { printf 'FAILED %s: %s trades were restored\n' "$name" "$restored"; cat "$dir/restore.log"; failed=1; }

  "$penstock" up --config "$dir/penstock.toml" >> "$dir/up.log" 2>&1 &
  up_pid=$!
  wait_until truth_is_stored
  up_stop
  simulator_stop
  truth_equal "$database" "$dir/truth.jsonl" || failed=1
  no_open_gaps
  audit 0 'it adds up' --deep
  end
}

ctl() { "$penstock" ctl "$@" --config "$dir/penstock.toml" 2>> "$dir/ctl.log"; }
# state_of NAME, pid_of NAME; "" and 0: there is none.
state_of() { ctl status --json | sed -n "s/.*\"name\":\"$1\",[^}]*\"state\":\"\([a-z]*\)\".*/\1/p"; }
pid_of() { ctl status --json | sed -n "s/.*\"name\":\"$1\",[^}]*\"pid\":\([0-9]*\),.*/\1/p"; }
runs() { [ "$(state_of "$1")" = running ]; }
runs_anew() { runs "$1" && [ "$(pid_of "$1")" != "$2" ]; }
pids() { local agent; for agent in "$@"; do pid_of "$agent"; done | xargs; }
refused() {
  local text=$1; shift
  if "$@" > "$dir/refused.log" 2>&1; then printf 'FAILED %s: not refused: %s\n' "$name" "$*"; failed=1; fi
  grep -qF -- "$text" "$dir/refused.log" || { printf 'FAILED %s: expected "%s" of: %s\n' "$name" "$text" "$*"; cat "$dir/refused.log"; failed=1; }
}

# manager_start FILE: what a service says to its manager at FILE.socket goes to FILE, line by line.
manager_start() {
  python3 -c '
import socket, sys
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(sys.argv[1] + ".socket")
with open(sys.argv[1], "w") as out:
  while True: print(told.recv(65536).decode(), file=out, flush=True)' "$1" &
  manager_pid=$!
  wait_until [ -S "$1.socket" ]
}

# Everything that an operator does to a pipeline while it runs; and all that was sent lands. On a Kafka of its own where there is one:
# the embedded broker has no transactions, so what kill -9 takes is not compared there.
case_supervised() {
  begin supervised
  local embedded=--embedded
  if [ -n "${PENSTOCK_TEST_BROKERS:-}" ]; then kafka_start "$work/kafka"; embedded=; fi
  simulator_start "$dir" binance --port 0 --seed 23 --rate 500 --length 60s --truth "$dir/truth.jsonl" --symbols BTC,ETH
  { cat "$dir/urls.toml"
    printf 'symbols = ["BTC/USDT", "ETH/USDT"]\nchannels = ["trade", "depth"]\n[database]\nurl = "%s"\n' "$database"
    [ -n "$embedded" ] || printf '[kafka]\nbrokers = "%s"\n' "$KAFKA_BROKERS"
    printf '[store]\nbatch_age_ms_max = 50\n'
  } > "$dir/penstock.toml"
  manager_start "$dir/notify"
  NOTIFY_SOCKET="$dir/notify.socket" WATCHDOG_USEC=1000000 "$penstock" up $embedded --config "$dir/penstock.toml" > "$dir/up.log" 2>&1 &
  up_pid=$!
  local market_began=$SECONDS
  wait_until stored_trades 500
  refused 'another process listens at the socket' "$penstock" up $embedded --config "$dir/penstock.toml"

  local store publish_and_transform all
  store=$(pid_of store) publish_and_transform=$(pids 'publish binance' transform)
  kill -9 "$store"
  wait_until runs_anew store "$store"
  equal 'pids of the others when the store was killed' "$publish_and_transform" "$(pids 'publish binance' transform)"

  local publisher; publisher=$(pid_of 'publish binance')
  ctl stop publish binance > "$dir/stopped" || failed=1
  equal 'a stopped publisher' 'publish binance is stopped, stopped' "$(cat "$dir/stopped"), $(state_of 'publish binance')"
  ctl start publish binance > /dev/null || failed=1
  wait_until runs_anew 'publish binance' "$publisher"

  store=$(pid_of store) publish_and_transform=$(pids 'publish binance' transform)
  sed -i 's/^batch_age_ms_max = 50$/batch_age_ms_max = 60/' "$dir/penstock.toml"
  kill -HUP "$up_pid"
  wait_until runs_anew store "$store"
  equal 'pids of the others when the store has other settings' "$publish_and_transform" "$(pids 'publish binance' transform)"

  # A wrong file changes nothing, also not for an agent that is started while it is there.
  all=$(pids store transform 'publish binance')
  cp "$dir/penstock.toml" "$dir/good.toml"
  echo 'batch_age_ms = 70' >> "$dir/penstock.toml"
  local line; line=$(wc -l < "$dir/penstock.toml")
  kill -HUP "$up_pid"
  wait_until grep -q "stays as it was.*penstock.toml line $line.*batch_age_ms" "$dir/up.log"
  equal 'pids after a wrong file' "$all" "$(pids store transform 'publish binance')"
  local transform; transform=$(pid_of transform)
  kill -9 "$transform"
  wait_until runs_anew transform "$transform"
  refused "line $line column 1: [store] has no key batch_age_ms" "$penstock" ctl reload --config "$dir/penstock.toml"
  cp "$dir/good.toml" "$dir/penstock.toml"
  all=$(pids store transform 'publish binance')
  equal 'a reload of the same file' 'nothing changed' "$(ctl reload)"

  ctl log-level transform debug > /dev/null || failed=1
  wait_until grep -q 'agent=transform message="everything is logged now' "$dir/up.log"
  ctl log-level transform configured > /dev/null || failed=1
  wait_until grep -q 'agent=transform message="the level of the log is what log.level says again' "$dir/up.log"

  ctl scale transform 2 > /dev/null || failed=1
  wait_until runs 'transform 2'
  equal 'the first of two transformers' "$(echo "$all" | cut -d' ' -f2)" "$(pid_of 'transform 1')"
  ctl reload > /dev/null || failed=1
  wait_until runs transform
  equal 'pids after all of it' "$all" "$(pids store transform 'publish binance')"

  while [ $((SECONDS - market_began)) -lt 63 ]; do sleep 0.2; done
  if [ -z "$embedded" ]; then wait_until truth_is_stored; fi
  up_stop ${embedded:+"$embedded"}
  simulator_stop
  equal 'what the service manager was told, each once' 'READY=1 RELOADING=1 STOPPING=1 WATCHDOG=1' "$(sort -u "$dir/notify" | grep -v '^STATUS=\|^MONOTONIC' | xargs)"
  equal 'order of what it was told' 'READY=1 RELOADING=1 READY=1 RELOADING=1 READY=1' "$(grep -x 'READY=1\|RELOADING=1' "$dir/notify" | head -5 | xargs)"
  positive 'signs of life within a minute, two a second' "$(($(grep -cx 'WATCHDOG=1' "$dir/notify") - 30))"
  if [ -z "$embedded" ]; then
    truth_equal "$database" "$dir/truth.jsonl" || failed=1
    no_open_gaps
  fi
  [ "$failed" -eq 0 ] || tail -60 "$dir/up.log" "$dir/ctl.log"
  end
}

kill_agent() {
  local pid; pid=$(pid_of "$1")
  [ "${pid:-0}" -gt 0 ] || { printf 'FAILED %s: %s does not run\n' "$name" "$1"; failed=1; return 0; }  # And 0 is our own group.
  kill -9 "$pid"
}

# One agent of each kind is killed every 10 s, for PENSTOCK_TEST_KILL_SECONDS (300: the long form): readiness says so and comes back,
# nothing is lost, nothing is there twice, and the audit adds up.
case_killed() {
  [ -n "${PENSTOCK_TEST_BROKERS:-}" ] || { echo "skipped: killed: PENSTOCK_TEST_BROKERS is not set, so there is no Kafka"; return 0; }
  local seconds=${PENSTOCK_TEST_KILL_SECONDS:-20}
  begin killed
  kafka_start "$work/kafka"
  simulator_start "$dir" binance --port 0 --seed 29 --rate 1000 --length "$((seconds + 15))s" --truth "$dir/truth.jsonl" --symbols BTC,ETH
  { cat "$dir/urls.toml"
    printf 'symbols = ["BTC/USDT", "ETH/USDT"]\nchannels = ["trade", "depth"]\n[kafka]\nbrokers = "%s"\n[database]\nurl = "%s"\n' "$KAFKA_BROKERS" "$database"
  } > "$dir/penstock.toml"
  "$penstock" up --http-listen 127.0.0.1:0 --config "$dir/penstock.toml" > "$dir/up.log" 2>&1 &
  up_pid=$!
  wait_until grep -q 'health and metrics are served' "$dir/up.log"
  local port; port=$(sed -n 's/.*health and metrics are served.* port=\([0-9]*\).*/\1/p' "$dir/up.log" | head -1)
  wait_until answers 200 /readyz
  wait_until stored_trades 500
  local began=$SECONDS round=0 not_ready=0
  while [ $((SECONDS - began)) -lt "$seconds" ]; do
    round=$((round + 1))
    local agent
    for agent in 'publish binance' transform store; do kill_agent "$agent"; done
    for _ in 1 2 3 4 5 6 7 8 9 10; do answers 503 /readyz && { not_ready=$((not_ready + 1)); break; }; done
    wait_until answers 200 /readyz
    while [ $((SECONDS - began)) -lt $((10 * round)) ]; do sleep 0.2; done
  done
  equal "rounds of $round after which readiness said that agents were gone" "$round" "$not_ready"
  wait_until truth_is_stored
  equal 'restarts' $((3 * round)) "$(ask /metrics | awk '/^penstock_restarts_total/ { sum += $NF } END { print sum }')"
  up_stop
  simulator_stop
  truth_equal "$database" "$dir/truth.jsonl" || failed=1
  no_open_gaps
  audit 0 'it adds up' --deep
  printf '%s rounds of killing one agent of each kind\n' "$round"
  end
}

# Health and metrics of all agents in one place, while 1,000 symbols are streamed: readiness follows what happens to an agent.
case_health() {
  begin health
  local symbols; symbols=$(seq -f 'C%04g' -s, 1 1000)
  simulator_start "$dir" binance hyperliquid --port 0 --seed 5 --rate 2000 --symbols "$symbols"
  { sed -n '/^\[publish.hyperliquid\]/,/^$/p' "$dir/urls.toml"
    printf 'symbols = ["C0001/USDC:USDC"]\nchannels = ["trades"]\n'
  } > "$dir/hyperliquid.toml"
  sed -i '/^\[publish.hyperliquid\]/,/^$/d' "$dir/urls.toml"
  { cat "$dir/urls.toml"
    printf 'symbols = ["%s/USDT"]\nchannels = ["trade"]\n[database]\nurl = "%s"\n' "${symbols//,//USDT\", \"}" "$database"
  } > "$dir/penstock.toml"
  "$penstock" up --embedded --http-listen 127.0.0.1:0 --config "$dir/penstock.toml" --status-file "$dir/status.json" > "$dir/up.log" 2>&1 &
  up_pid=$!
  wait_until grep -q 'health and metrics are served' "$dir/up.log"
  local port; port=$(sed -n 's/.*health and metrics are served.* port=\([0-9]*\).*/\1/p' "$dir/up.log")
  wait_until answers 200 /readyz
  wait_until stored_trades 1000
  wait_until answers 200 /readyz
  equal 'status of /livez' 200 "$(ask /livez | head -1)"
  ask /metrics > "$dir/metrics"
  equal 'agents that are up' 3 "$(grep -c '^penstock_up{.*} 1$' "$dir/metrics")"
  equal 'the target that Prometheus is told of' "[{\"targets\":[\"127.0.0.1:$port\"],\"labels\":{}}]" "$(ask /targets | tail -n +2)"
  equal 'series with a symbol' 0 "$(grep -c 'USDT' "$dir/metrics")"
  for agent in publish transform store; do positive "records written by $agent" "$(sed -n "s/^penstock_written_total{agent=\"$agent\".*} //p" "$dir/metrics" | awk '{ sum += $1 } END { print sum + 0 }')"; done
  positive 'buckets of received to stored' "$(grep -c '^penstock_hop_seconds_bucket{agent="store",from="received",instance="store".*to="stored"' "$dir/metrics")"
  ask /metrics 50 > "$dir/times"; cat "$dir/times"

  equal 'exit of an agent whose port is in use' 1 "$("$penstock" store --config "$dir/penstock.toml" --http-listen "127.0.0.1:$port" > "$dir/in-use.log" 2>&1; echo $?)"
  positive 'names of the setting' "$(grep -c 'http.listen' "$dir/in-use.log")"

  local pid; pid=$(sed -n 's/.*"name":"transform","state":"running","pid":\([0-9]*\).*/\1/p' "$dir/status.json")
  kill -STOP "$pid"
  wait_until answers 503 /readyz
  positive 'word of who does not report' "$(ask /readyz | grep -c '"agent":"transform","name":"running","ready":false,"reason":"it has not reported')"
  kill -9 "$pid"
  wait_until answers 200 /readyz
  equal 'restarts' 1 "$(ask /metrics | sed -n 's/^penstock_restarts_total{agent="transform".*} //p')"

  # A provider is added while all of it runs, and taken out again.
  local publisher; publisher=$(pid_of 'publish binance')
  cp "$dir/penstock.toml" "$dir/before.toml"
  cat "$dir/hyperliquid.toml" >> "$dir/penstock.toml"
  ctl reload > "$dir/reloaded" || failed=1
  positive 'word of the new agent' "$(grep -c '^started   publish hyperliquid' "$dir/reloaded")"
  wait_until stored_of hyperliquid
  wait_until answers 200 /readyz
  cp "$dir/before.toml" "$dir/penstock.toml"
  ctl reload > "$dir/reloaded" || failed=1
  positive 'word of the agent that is no more' "$(grep -c '^stopped   publish hyperliquid' "$dir/reloaded")"
  equal 'what became of it' '' "$(state_of 'publish hyperliquid')"
  equal 'the publisher of before' "$publisher" "$(pid_of 'publish binance')"
  wait_until answers 200 /readyz
  up_stop --embedded
  simulator_stop
  end
}
# ask PATH: status and body. ask PATH TIMES: how long that many take.
ask() {
  python3 - "http://127.0.0.1:$port$1" "${2:-0}" <<'PY'
import sys, time, urllib.error, urllib.request
def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer: return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error: return error.code, error.read().decode()
url, times = sys.argv[1], int(sys.argv[2])
if not times:
    print(*ask(url), sep="\n")
else:
    took = []
    for _ in range(times):
        began = time.perf_counter(); status, body = ask(url); took.append((time.perf_counter() - began) * 1000)
    took.sort()
    print(f"{url}: {len(body)} bytes, {body.count(chr(10))} lines; ms: least {took[0]:.2f}, median {took[times // 2]:.2f}, most {took[-1]:.2f}")
PY
}
stored_of() { [ "$(sql "select count(*) from trades where source = '$1'")" -gt 0 ]; }
answers() { [ "$(ask "$2" 2>/dev/null | head -1)" = "$1" ]; }
