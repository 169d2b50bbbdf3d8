# An Apache Kafka that lets in only whom it knows. Sourced by test/security/run, after scripts/lib/kafka.sh.
#   secure_broker_start DIR CERTIFICATES   sets KAFKA_BROKERS (plaintext, may do everything) and PENSTOCK_TEST_
#     SECURE_BROKERS   TLS; PLAIN and SCRAM: penstock (may do everything), stranger (nothing); the password is NAME-secret
#     SCRAM_BROKERS    the same, SCRAM-SHA-256 only, and whoever is in is asked again every 2 s
#     MUTUAL_BROKERS   TLS with certificates on both sides
#     EXPIRED_BROKERS  TLS with an expired certificate

secure_broker_properties() {
  local certificates=$1 plaintext=$2 secure=$3 scram=$4 mutual=$5 expired=$6 controller=$7 name
  local password='org.apache.kafka.common.security'
  cat << PROPERTIES
listeners=PLAINTEXT://127.0.0.1:$plaintext,CONTROLLER://127.0.0.1:$controller,SECURE://127.0.0.1:$secure,SCRAM://127.0.0.1:$scram,MUTUAL://127.0.0.1:$mutual,EXPIRED://127.0.0.1:$expired
advertised.listeners=PLAINTEXT://127.0.0.1:$plaintext,SECURE://127.0.0.1:$secure,SCRAM://127.0.0.1:$scram,MUTUAL://127.0.0.1:$mutual,EXPIRED://127.0.0.1:$expired
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,SCRAM:SASL_SSL,MUTUAL:SSL,EXPIRED:SSL
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:penstock;User:CN=penstock
ssl.keystore.type=PEM
ssl.keystore.location=$certificates/server.store
ssl.truststore.type=PEM
ssl.truststore.location=$certificates/ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.expired.ssl.keystore.location=$certificates/expired.store
listener.name.expired.ssl.keystore.type=PEM
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.scram.scram-sha-256.connections.max.reauth.ms=2000
listener.name.secure.plain.sasl.jaas.config=$password.plain.PlainLoginModule required user_penstock="penstock-secret" user_stranger="stranger-secret";
PROPERTIES
  for name in secure.scram-sha-256 secure.scram-sha-512 scram.scram-sha-256; do
    echo "listener.name.$name.sasl.jaas.config=$password.scram.ScramLoginModule required;"
  done
}

secure_broker_start() {
  local dir=$1 certificates=$2 ports id user mechanism users=()
  kafka_fetch || return 1
  mkdir -p "$dir"
  read -r -a ports <<< "$(free_ports 6)"
  {
    kafka_properties "$dir" "${ports[0]}" "${ports[5]}" 0
    secure_broker_properties "$certificates" "${ports[@]}"
  } > "$dir/server.properties"
  for user in penstock stranger; do
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do users+=(--add-scram "$mechanism=[name=$user,password=$user-secret]"); done
  done
  id=$(python3 -c 'import base64, os; print(base64.urlsafe_b64encode(b"p" + os.urandom(15)).decode().rstrip("="))')
  java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$kafka_cache/lib/*" kafka.tools.StorageTool \
    format -t "$id" -c "$dir/server.properties" "${users[@]}" > "$dir/format.log" 2>&1 || { tail -5 "$dir/format.log" >&2; return 1; }
  echo "${ports[0]}" > "$dir/port"
  touch "$dir/formatted"
  kafka_start "$dir" || return 1
  export PENSTOCK_TEST_SECURE_BROKERS=127.0.0.1:${ports[1]} PENSTOCK_TEST_SCRAM_BROKERS=127.0.0.1:${ports[2]}
  export PENSTOCK_TEST_MUTUAL_BROKERS=127.0.0.1:${ports[3]} PENSTOCK_TEST_EXPIRED_BROKERS=127.0.0.1:${ports[4]}
}
