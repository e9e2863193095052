#!/bin/sh
# Make the database directory at the first start, then become the server. It listens only when it is complete.
set -eu
if [ ! -s "$PGDATA/complete" ]; then
    find "$PGDATA" -mindepth 1 -delete
    initdb --pgdata="$PGDATA" --username="${POSTGRES_USER:-postgres}" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo yes >"$PGDATA/complete"
fi
exec "$@" -c listen_addresses='*'
