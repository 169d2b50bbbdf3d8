# Certificates for an hour's test. Sourced by test/security/run.
#   certificates_make DIR   ca.pem; other-ca.pem, which signs nothing; server.pem for the address 127.0.0.1 only; expired.pem;
#                           client.pem for CN=penstock; each with its key in NAME.key

_certificates_ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$2" -keyout "$1/$2.key" -out "$1/$2.pem"
}

# DIR NAME SUBJECT EXTENSION VALIDITY...
_certificates_signed() {
  local dir=$1 name=$2 subject=$3 extension=$4
  shift 4
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" -keyout "$dir/$name.key" -out "$dir/$name.csr"
  openssl x509 -req -in "$dir/$name.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -extfile <(echo "$extension") -out "$dir/$name.pem" "$@"
  # What Kafka takes: key and certificate in one file.
  cat "$dir/$name.key" "$dir/$name.pem" > "$dir/$name.store"
}

certificates_make() {
  local dir=$1 address='subjectAltName=IP:127.0.0.1'
  mkdir -p "$dir"
  {
    _certificates_ca "$dir" ca
    _certificates_ca "$dir" other-ca
    _certificates_signed "$dir" server /CN=server "$address" -days 2
    _certificates_signed "$dir" expired /CN=expired "$address" -not_before 20200101000000Z -not_after 20200201000000Z
    _certificates_signed "$dir" client /CN=penstock extendedKeyUsage=clientAuth -days 2
  } 2> "$dir/openssl.log" || { cat "$dir/openssl.log" >&2; return 1; }
  chmod 600 "$dir"/*.key
}
