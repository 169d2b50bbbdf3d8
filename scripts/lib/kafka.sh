# shellcheck shell=bash
# A real Kafka broker on loopback, for scripts that run inside the toolbox (source this file).
#   kafka_start DIR     makes and starts one broker whose data, log, pid and `start` are in DIR; sets and exports KAFKA_BROKERS.
#                       A second call for the same DIR starts it again on the same port, with what it held.
#                       KAFKA_PROXY=PORT when it is made: clients may also come through a proxy that listens on PORT and goes on
#                       to the port in DIR/proxied_port.
#   kafka_stop DIR      ends it and waits until it is gone. The data stays. Safe to call twice.
#   kafka_fetch         only fetches the jars (44 MB, Maven Central), once, into the user's cache folder.

kafka_version=4.2.1
kafka_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/penstock/kafka-$kafka_version
kafka_pom=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/test/kafka/broker/pom.xml

# shellcheck source=scripts/lib/ports.sh
. "$(dirname "${BASH_SOURCE[0]}")/ports.sh"

kafka_say() { printf 'kafka: %s\n' "$*" >&2; }

# Java reads its own store of certificates; one that this machine trusts on top of it must count, too.
kafka_trust() {
  local system=/etc/ssl/certs/ca-certificates.crt store=$1/trust.p12
  [ -r "$system" ] && command -v openssl >/dev/null || return 0
  openssl pkcs12 -export -nokeys -in "$system" -jdktrust anyExtendedKeyUsage -passout pass:changeit -out "$store" 2>/dev/null || return 0
  printf -- '-Djavax.net.ssl.trustStore=%s -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit' "$store"
}

kafka_fetch() {
  [ ! -e "$kafka_cache/complete" ] || return 0
  command -v mvn >/dev/null || { kafka_say "mvn is missing: run this inside scripts/toolbox"; return 1; }
  mkdir -p "$kafka_cache" || return 1
  # What an interrupted run has fetched is in Maven's own cache, so the next one goes on from there.
  (
    flock 9
    [ ! -e "$kafka_cache/complete" ] || exit 0
    kafka_say "fetching Kafka $kafka_version from Maven Central (44 MB, once, about half a minute)"
    if ! MAVEN_OPTS="${MAVEN_OPTS:-} $(kafka_trust "$kafka_cache")" \
      mvn -q -B -f "$kafka_pom" org.apache.maven.plugins:maven-dependency-plugin:3.7.0:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$kafka_cache/lib" > "$kafka_cache/mvn.log" 2>&1; then
      grep -m 3 ERROR "$kafka_cache/mvn.log" >&2
      kafka_say "the jars could not be fetched (log: $kafka_cache/mvn.log): Maven Central must be reachable; then run the same command again"
      exit 1
    fi
    touch "$kafka_cache/complete"
  ) 9> "$kafka_cache/lock"
}

kafka_properties() {
  local dir=$1 port=$2 controller=$3 proxied=$4
  cat << PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller${KAFKA_PROXY:+,PROXIED://127.0.0.1:$proxied}
advertised.listeners=PLAINTEXT://127.0.0.1:$port${KAFKA_PROXY:+,PROXIED://127.0.0.1:$KAFKA_PROXY}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
log.dirs=$dir/data
num.partitions=4
auto.create.topics.enable=false
message.max.bytes=20971520
replica.fetch.max.bytes=20971520
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
PROPERTIES
}

# One that has ended and is not yet buried (state Z) is gone.
kafka_runs() { grep -qs ') [^ZX] ' "/proc/$1/stat"; }
kafka_alive() { [ -s "$1/pid" ] && kafka_runs "$(cat "$1/pid")"; }

kafka_start() {
  local dir=$1 port controller proxied id began=$SECONDS
  mkdir -p "$dir" && dir=$(cd "$dir" && pwd) || return 1
  if kafka_alive "$dir"; then
    KAFKA_BROKERS=127.0.0.1:$(cat "$dir/port"); export KAFKA_BROKERS
    return 0
  fi
  kafka_fetch || return 1
  if [ ! -e "$dir/formatted" ]; then
    rm -rf "${dir:?}/data"
    read -r port controller proxied <<< "$(free_ports 3)"
    kafka_properties "$dir" "$port" "$controller" "$proxied" > "$dir/server.properties"
    # An id of its own for each cluster: 16 random bytes, URL-safe base64.
    id=$(python3 -c 'import base64, os; print(base64.urlsafe_b64encode(b"p" + os.urandom(15)).decode().rstrip("="))')
    if ! java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$kafka_cache/lib/*" \
      kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" > "$dir/format.log" 2>&1; then
      tail -5 "$dir/format.log" >&2
      kafka_say "the broker's storage could not be made in $dir (log: $dir/format.log)"
      return 1
    fi
    echo "$port" > "$dir/port"
    echo "$proxied" > "$dir/proxied_port"
    touch "$dir/formatted"
  fi
  port=$(cat "$dir/port")
  # A file of its own, so that a test can start it again after having killed it.
  cat > "$dir/start" << START
#!/usr/bin/env bash
# Its own session: an interrupt at the terminal is for the script, which then stops the broker.
setsid java -Xms128m -Xmx512m -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \\
  -cp '$kafka_cache/lib/*' kafka.Kafka '$dir/server.properties' >> '$dir/broker.log' 2>&1 < /dev/null &
echo \$! > '$dir/pid'
START
  chmod +x "$dir/start"
  "$dir/start"
  until kafka_answers "$port" && kafka_listens "$(cat "$dir/pid")" "$port"; do
    if ! kafka_alive "$dir" || [ $((SECONDS - began)) -gt 120 ]; then
      tail -5 "$dir/broker.log" >&2
      kafka_say "the broker did not start (log: $dir/broker.log)"
      kafka_stop "$dir"
      return 1
    fi
    sleep 0.1
  done
  KAFKA_BROKERS=127.0.0.1:$port; export KAFKA_BROKERS
}

# True when it is this process that listens on the port, and not another one that was quicker.
kafka_listens() {
  local socket
  socket=$(awk -v port="$(printf ':%04X' "$2")" '$4 == "0A" && $2 ~ port "$" { print $10; exit }' /proc/net/tcp /proc/net/tcp6)
  [ -n "$socket" ] && find "/proc/$1/fd" -lname "socket:\[$socket\]" 2> /dev/null | grep -q .
}

# True when the broker answers a request for its API versions, not only when its port is open.
kafka_answers() {
  python3 - "$1" << 'PYTHON' 2>/dev/null
import socket, struct, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1) as s:
    s.settimeout(2)
    request = struct.pack(">hhih", 18, 0, 7, -1)
    s.sendall(struct.pack(">i", len(request)) + request)
    answer = s.recv(8)
    sys.exit(0 if len(answer) == 8 and struct.unpack(">ii", answer)[1] == 7 else 1)
PYTHON
}

kafka_stop() {
  local dir=$1 pid waited=0
  [ -s "$dir/pid" ] || return 0
  pid=$(cat "$dir/pid")
  kill "$pid" 2>/dev/null
  while kafka_runs "$pid"; do
    # A broker that does not end by itself has nothing to lose here.
    [ "$waited" -lt 200 ] || kill -9 "$pid" 2>/dev/null
    sleep 0.1
    waited=$((waited + 1))
  done
  rm -f "$dir/pid"
}
