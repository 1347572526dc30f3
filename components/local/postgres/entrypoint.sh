#!/bin/bash
# Starts one Postgres node. The first argument is its role, everything after it goes to the server (`-c name=value`).
#
#   primary              creates the cluster when the volume is empty, then serves it
#   replica              copies PRIMARY_HOST when the volume is empty, then follows it
#   patroni [FILE]       Patroni decides the role; FILE is its configuration, by default /etc/patroni/patroni.yml
#   create-database URL  creates the database `app` and the roles that use it; Patroni calls it once, in the cluster's first primary
#   psql ARGS            for people: psql as superuser, by `docker exec`
#   patronictl ARGS      for people: Patroni's command line
#   backups ARGS         what `npm run backup` calls: backup TYPE, verify, info; see backups.py
#   restore ARGS         what `npm run restore` calls, in containers of their own while no node runs; see restore.py
#   healthcheck          whether this node serves: with Patroni as primary, or as a standby that could take over
#
# Environment (each secret also as NAME_FILE):
#   POSTGRES_PASSWORD     password of the superuser `postgres`
#   REPLICATION_PASSWORD  password of `replicator`
#   OWNER_PASSWORD        password of `owner`, who owns the database `app` and its schema: for migrations
#   APP_PASSWORD          password of `app`, who reads and writes rows there, and creates nothing
#   READONLY_PASSWORD     password of `readonly`, who reads them
#   MONITOR_PASSWORD      password of `monitor`, who sees the server's figures and no rows
#   REWIND_PASSWORD       with Patroni: password of `rewinder`, who may read files for pg_rewind
#   PATRONI_PASSWORD      with Patroni: password of the user `patroni` of its REST API, for what changes something
#   PATRONI_NAME          with Patroni: name of this node in the cluster and on the network; see patroni.ts for the others of Patroni's own
#   PRIMARY_HOST, PRIMARY_PORT (5432)   for a replica
set -euo pipefail
# A command substitution that fails ends the script as well.
shopt -s inherit_errexit

# Longest planned switchover when a primary is told to stop, in seconds; Patroni's own takes over after that.
readonly HAND_OVER_SECONDS=20

# Beside this script on a developer's machine, see the Dockerfile for the image.
readonly SHARE=${POSTGRES_SHARE:-/usr/local/share/postgres}

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
  local draft="$PGDATA.new" superuser replication roles
  local single=(postgres --single -D "$PGDATA.new" -c log_statement=none -c log_min_error_statement=panic)
  # Looked at first: a command substitution inside of another command would not end the script.
  superuser=$(secret POSTGRES_PASSWORD)
  replication=$(secret REPLICATION_PASSWORD)
  roles=$(database_roles)
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
  # Single-user mode: no other connection can see the server half set up. It would go on after an error, and end well.
  {
    printf "CREATE ROLE replicator LOGIN REPLICATION PASSWORD %s;\n" "$(quoted "$replication")"
    printf "%s\n" "$roles"
  } | "${single[@]}" -c exit_on_error=on postgres > /dev/null
  "${single[@]}" -c exit_on_error=on app < "$SHARE/privileges.sql" > /dev/null
  mv "$draft" "$PGDATA"
}

# SQL that makes the roles and the database, one statement a line. Functions that Patroni's roles need are not the public's either.
database_roles() {
  local owner app readonly monitor
  owner=$(secret OWNER_PASSWORD)
  app=$(secret APP_PASSWORD)
  readonly=$(secret READONLY_PASSWORD)
  monitor=$(secret MONITOR_PASSWORD)
  printf "CREATE ROLE owner LOGIN PASSWORD %s;\n" "$(quoted "$owner")"
  printf "CREATE ROLE app LOGIN PASSWORD %s;\n" "$(quoted "$app")"
  printf "CREATE ROLE readonly LOGIN PASSWORD %s;\n" "$(quoted "$readonly")"
  printf "ALTER ROLE readonly SET default_transaction_read_only = on;\n"
  printf "CREATE ROLE monitor LOGIN PASSWORD %s IN ROLE pg_monitor, pg_checkpoint;\n" "$(quoted "$monitor")"
  printf "CREATE DATABASE app OWNER owner;\n"
  # PUBLIC is everybody: without this `app` could make temporary tables in a database it has no business in.
  printf "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;\n"
  printf "GRANT CONNECT ON DATABASE postgres TO monitor;\n"
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
create_database() {
  local roles quiet="-c log_statement=none -c log_min_error_statement=panic -c log_min_duration_statement=-1"
  roles=$(database_roles)
  python3 "$SHARE/backups.py" create
  {
    printf "%s\n" "$roles"
    # pg_rewind looks at the server through this database. Patroni makes its roles after this, or completes what it finds.
    printf "CREATE ROLE rewinder;\n"
    printf "GRANT CONNECT ON DATABASE postgres TO rewinder;\n"
    printf '\\connect app\n'
    cat "$SHARE/privileges.sql"
  } | PGOPTIONS="${PGOPTIONS:-} $quiet" psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$1"
}

# Until the container ends; without a schedule it has nothing to do. It notices itself what it can go on after.
look_after_backups() {
  until python3 "$SHARE/backups.py" watch; do sleep 5; done
}

# For as long as this node runs, nobody else uses its volume: a restore does so in a container of its own, and is waited for, whoever starts
# the node meanwhile. The kernel frees it when the container is gone, however that ended.
lock_volume() {
  local told= status
  exec 9>> "${PGDATA%/*}/in-use"
  trap 'exit 143' TERM INT
  until flock --exclusive --nonblock --conflict-exit-code 75 9; do
    status=$?
    # A file system that cannot lock is no reason to have no database.
    if [[ $status -ne 75 ]]; then
      echo "entrypoint: ${PGDATA%/*} cannot be locked (flock ended with $status): a restore that runs is not noticed." >&2
      break
    fi
    [[ -n $told ]] || echo "entrypoint: another container uses the data of $PATRONI_NAME, a restore for example: waiting for its end." >&2
    told=yes
    sleep 0.5
  done
  trap - TERM INT
}

# Runs Patroni until it ends. Told to stop, a primary hands over first, while clients wait instead of failing.
# Patroni takes the passwords out of its environment as it reads them, so that no program it starts has them.
run_patroni() {
  local superuser replication rewind api patroni status=0
  superuser=$(secret POSTGRES_PASSWORD)
  replication=$(secret REPLICATION_PASSWORD)
  rewind=$(secret REWIND_PASSWORD)
  api=$(secret PATRONI_PASSWORD)
  lock_volume
  python3 "$SHARE/node.py" settings "$1"
  look_after_backups &
  PATRONI_SUPERUSER_PASSWORD=$superuser PATRONI_REPLICATION_PASSWORD=$replication PATRONI_REWIND_PASSWORD=$rewind \
    PATRONI_RESTAPI_PASSWORD=$api patroni "$1" &
  patroni=$!
  trap 'trap "" TERM INT; printf %s "$api" | python3 "$SHARE/node.py" hand-over "$HAND_OVER_SECONDS" || true; kill -TERM "$patroni" || true' TERM INT
  # A signal ends the first wait, after what the trap says.
  wait "$patroni" || status=$?
  if kill -0 "$patroni" 2> /dev/null; then
    status=0
    wait "$patroni" || status=$?
  fi
  return "$status"
}

# Without a client program: this runs every few seconds.
patroni_serves() {
  local answer
  exec 3<> /dev/tcp/127.0.0.1/8008
  printf 'GET /patroni HTTP/1.0\r\n\r\n' >&3
  # The end of the answer is no delimiter; and no process is started for what happens every few seconds.
  IFS= read -r -d '' answer <&3 || [[ -n $answer ]]
  [[ $answer == *'"state": "running"'* ]] || return 1
  # Streaming alone would not do: Patroni hands over to nobody who does not confirm writes.
  [[ $answer == *'"role": "primary"'* || ($answer == *'"replication_state": "streaming"'* && $answer == *'"quorum_standby": true'*) ]]
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
    [[ -n ${PATRONI_NAME:-} ]] || fail "PATRONI_NAME: not set; give the name of this node in the cluster."
    run_patroni "${1:-/etc/patroni/patroni.yml}"
    ;;
  create-database)
    [[ $# -gt 0 ]] || fail "create-database: no URL; give that of the server."
    create_database "$1"
    ;;
  psql)
    PGPASSWORD=$(secret POSTGRES_PASSWORD)
    export PGPASSWORD PGHOST=/var/run/postgresql PGUSER=postgres PGDATABASE="${PGDATABASE:-postgres}"
    exec psql "$@"
    ;;
  patronictl)
    PATRONI_RESTAPI_PASSWORD=$(secret PATRONI_PASSWORD)
    PATRONI_SUPERUSER_PASSWORD=$(secret POSTGRES_PASSWORD)
    export PATRONI_RESTAPI_PASSWORD PATRONI_SUPERUSER_PASSWORD
    exec patronictl --config-file /etc/patroni/patroni.yml "$@"
    ;;
  backups)
    exec python3 "$SHARE/backups.py" "$@"
    ;;
  restore)
    exec python3 "$SHARE/restore.py" "$@"
    ;;
  healthcheck)
    if [[ -n ${PATRONI_NAME:-} ]]; then patroni_serves; else pg_isready --quiet; fi
    ;;
  *)
    fail "role \"$role\" is unknown; use primary, replica, patroni, create-database, psql, patronictl, backups, restore or healthcheck."
    ;;
esac
