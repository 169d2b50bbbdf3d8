# A TimescaleDB that lets strangers in over TLS only. Sourced by test/security/run, after scripts/lib/database.sh.
#   secure_database_start DIR CERTIFICATES   sets DATABASE_URL: role penstock, a superuser, without password or TLS. All other
#     roles come over TLS with a password, but for role certified, which shows a certificate.

secure_database_start() {
  local dir=$1 certificates=$2 name
  database_start "$dir" || return 1
  dir=$(_database_absolute "$dir")
  for name in ca.pem server.pem server.key expired.pem expired.key; do
    cp "$certificates/$name" "$dir/data/$name"
    chmod 600 "$dir/data/$name"
    [ "$(id -u)" -ne 0 ] || chown postgres:postgres "$dir/data/$name"
  done
  cat > "$dir/data/pg_hba.conf" << HBA
local   all penstock              trust
host    all penstock 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert map=certified
hostssl all all 127.0.0.1/32 scram-sha-256
HBA
  echo 'certified penstock certified' > "$dir/data/pg_ident.conf"
  cat >> "$dir/data/postgresql.conf" << CONF
ssl = on
ssl_ca_file = 'ca.pem'
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
CONF
  _database_run pg_ctl -D "$dir/data" reload > /dev/null
}
