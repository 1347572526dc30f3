#!/bin/bash
# Starts one Postgres node. The first argument is its role, everything after it goes to the server (`-c name=value`).
#
#   primary            creates the cluster when the volume is empty, then serves it
#   replica            copies PRIMARY_HOST when the volume is empty, then follows it
#   patroni [FILE]     Patroni decides the role; FILE is its configuration, by default /etc/patroni/patroni.yml
#   create-app URL     creates the user and the database `app`; Patroni calls it once, in the cluster's first primary
#
# Environment (each secret also as NAME_FILE):
#   POSTGRES_PASSWORD     password of the superuser `postgres`
#   REPLICATION_PASSWORD  password of `replicator`
#   APP_PASSWORD          password of `app`, who owns the database `app`
#   REWIND_PASSWORD       with Patroni: password of `rewinder`, who may read files for pg_rewind
#   PATRONI_PASSWORD      with Patroni: password of the user `patroni` of its REST API, for what changes something
#   PRIMARY_HOST, PRIMARY_PORT (5432)   for a replica
set -euo pipefail

fail() {
  echo "entrypoint: $1" >&2
  exit 64
}

# Value of a secret: from the file that NAME_FILE names, else from NAME.
secret() {
  local name=$1 file_name="$1_FILE"
  if [[ -n ${!file_name:-} ]]; then
    [[ -r ${!file_name} ]] || fail "$file_name: ${!file_name} cannot be read; give the path of a readable file."
    cat "${!file_name}"
  else
    [[ -n ${!name:-} ]] || fail "$name: not set; give it or $file_name."
    printf %s "${!name}"
  fi
}

# For the connection file of libpq: colons and backslashes are escaped.
escaped() {
  local text=${1//\\/\\\\}
  printf %s "${text//:/\\:}"
}

create_cluster() {
  local draft="$PGDATA.new" superuser replication app
  # Looked at first: a command substitution inside another command would not end the script.
  superuser=$(secret POSTGRES_PASSWORD)
  replication=$(secret REPLICATION_PASSWORD)
  app=$(secret APP_PASSWORD)
  # A directory that was not finished (the container was killed meanwhile) is of no use.
  rm -rf "$draft"
  # Text sorts by code point, as in SQLite, whatever the operating system's locale library thinks this year.
  initdb --pgdata="$draft" --username=postgres --pwfile=<(printf %s "$superuser") --data-checksums --encoding=UTF8 \
    --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8 --auth-local=scram-sha-256 --auth-host=scram-sha-256
  cat > "$draft/pg_hba.conf" <<'HBA'
# Every connection needs a password. Only the container's private network, and the published port of a test, lead here.
local all         all        scram-sha-256
host  all         all        all scram-sha-256
host  replication replicator all scram-sha-256
HBA
  # Single-user mode: no other connection can see the server half set up.
  {
    printf "CREATE ROLE replicator LOGIN REPLICATION PASSWORD %s;\n" "$(quoted "$replication")"
    printf "CREATE ROLE app LOGIN PASSWORD %s;\n" "$(quoted "$app")"
    printf "CREATE DATABASE app OWNER app;\n"
  } | postgres --single -D "$draft" -c log_statement=none -c log_min_error_statement=panic postgres > /dev/null
  mv "$draft" "$PGDATA"
}

quoted() {
  printf "'%s'" "${1//\'/\'\'}"
}

copy_primary() {
  [[ -n ${PRIMARY_HOST:-} ]] || fail "PRIMARY_HOST: not set; give the name of the primary."
  local host=$PRIMARY_HOST port=${PRIMARY_PORT:-5432} draft="$PGDATA.new"
  local passfile="${PGDATA%/*}/replication.pgpass" password
  password=$(secret REPLICATION_PASSWORD)
  (umask 077 && printf '%s:%s:*:replicator:%s\n' "$host" "$port" "$(escaped "$password")" > "$passfile")
  until pg_isready --quiet --host="$host" --port="$port" --username=replicator; do sleep 0.2; done
  rm -rf "$draft"
  pg_basebackup --pgdata="$draft" --checkpoint=fast --wal-method=stream --write-recovery-conf \
    --dbname="host=$host port=$port user=replicator passfile=$passfile application_name=${HOSTNAME:-replica} keepalives_idle=5 keepalives_interval=2 keepalives_count=3"
  mv "$draft" "$PGDATA"
}

# Through standard input: arguments can be seen by every process of the container.
create_app() {
  local app quiet="-c log_statement=none -c log_min_error_statement=panic -c log_min_duration_statement=-1"
  app=$(secret APP_PASSWORD)
  {
    printf "CREATE ROLE app LOGIN PASSWORD %s;\n" "$(quoted "$app")"
    printf "CREATE DATABASE app OWNER app;\n"
  } | PGOPTIONS="${PGOPTIONS:-} $quiet" psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$1"
}

# Patroni takes these out of its environment as it reads them, so that no program it starts has them.
start_patroni() {
  local superuser replication rewind api
  superuser=$(secret POSTGRES_PASSWORD)
  replication=$(secret REPLICATION_PASSWORD)
  rewind=$(secret REWIND_PASSWORD)
  api=$(secret PATRONI_PASSWORD)
  export PATRONI_SUPERUSER_PASSWORD=$superuser PATRONI_REPLICATION_PASSWORD=$replication
  export PATRONI_REWIND_PASSWORD=$rewind PATRONI_RESTAPI_PASSWORD=$api
  exec patroni "$1"
}

role=${1:-primary}
[[ $# -gt 0 ]] && shift
case $role in
  primary)
    [[ -d $PGDATA ]] || create_cluster
    exec postgres -D "$PGDATA" -c "listen_addresses=*" "$@"
    ;;
  replica)
    [[ -d $PGDATA ]] || copy_primary
    exec postgres -D "$PGDATA" -c "listen_addresses=*" "$@"
    ;;
  patroni)
    start_patroni "${1:-/etc/patroni/patroni.yml}"
    ;;
  create-app)
    [[ $# -gt 0 ]] || fail "create-app: no URL; give that of the server."
    create_app "$1"
    ;;
  *)
    fail "role \"$role\" is unknown; use primary, replica, patroni or create-app."
    ;;
esac
