#!/bin/bash
# The exporter of PgBouncer takes its password in an argument, in an environment variable, or from libpq's password file. That one has to be
# its user's alone, which a file on a secrets volume is not: so it is copied to where only this container sees it.
set -euo pipefail

install --mode=0600 /run/secrets/pgpass /tmp/pgpass
export PGPASSFILE=/tmp/pgpass
exec prometheus-pgbouncer-exporter "$@"
