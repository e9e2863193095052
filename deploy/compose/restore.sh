#!/bin/sh
# Restore docker-compose.yml's PostgreSQL from the volume `backups`, while everything is down:
#
#     restore.sh                         to the end of the log
#     restore.sh 2026-11-29T03:14:15Z    to a moment after a whole copy
#
# The cluster that was there, and the backups that were used, stay in the volume `backups`, in `before-<time>`.
# A failed restore may be tried again after its reason is gone: what it needs is copied, never moved, before its end.
set -eu

to=${1:-}
data=${PGDATA:-/var/lib/postgresql/data}
backups=${BACKUPS:-/backups}
scratch=${TMPDIR:-/tmp}
now=$(date -u +%Y-%m-%dT%H-%M-%SZ)
before=$backups/before-$now

fail() {
    echo "restore: $*" >&2
    exit 1
}

if [ -n "$to" ]; then
    limit=$(date -u -d "$to" +%Y-%m-%dT%H-%M-%SZ 2>/dev/null) ||
        fail "$to is no time; write it as 2026-11-29T03:14:15Z"
else
    limit=$now
fi
if pg_isready --quiet; then
    fail "PostgreSQL runs; stop everything first: docker compose down"
fi

copy=
for each in "$backups"/base/*Z; do
    name=${each##*/}
    # Names sort as their times do.
    if [ -d "$each" ] && [ "$(printf '%s\n%s\n' "$name" "$limit" | sort | head -n 1)" = "$name" ]; then
        copy=$each
    fi
done
[ -n "$copy" ] || fail "no copy is older than ${to:-now}; there are: $(ls "$backups/base" 2>/dev/null | tr '\n' ' ')"
echo "restore: from the copy ${copy##*/}"

mkdir -p "$before"
if [ -n "$(ls -A "$data")" ]; then
    rm -rf "$backups"/before-*/cluster.part
    cp -a "$data" "$before/cluster.part"
    mv "$before/cluster.part" "$before/cluster"
    find "$data" -mindepth 1 -delete
fi
cp -a "$copy/." "$data/"
chmod 0700 "$data"
touch "$data/recovery.signal"

# Nobody is let in before the end of the replay, and nobody from outside at all.
set -- -D "$data" -c listen_addresses= -c unix_socket_directories="$scratch" -c hot_standby=off \
    -c "restore_command=cp \"$backups/wal/%f\" \"%p\" || cp \"$backups/wal/%f.partial\" \"%p\"" \
    -c recovery_target_action=promote
[ -z "$to" ] || set -- "$@" -c "recovery_target_time=$(date -u -d "$to" '+%Y-%m-%d %H:%M:%S.%6N+00')"
postgres "$@" 2>"$scratch/log" &
server=$!
until pg_isready --quiet --host="$scratch"; do
    if ! kill -0 "$server" 2>/dev/null; then
        tail -n 20 "$scratch/log" >&2
        fail "PostgreSQL could not replay the log; the lines above say why"
    fi
    sleep 0.5
done
reached=$(psql --host="$scratch" --username=postgres --dbname=postgres --no-psqlrc --tuples-only --no-align \
    --command='select coalesce(pg_last_xact_replay_timestamp()::text, $$that of the copy$$)')
kill -INT "$server"
wait "$server"

# The log that follows belongs to another past than the backups so far.
mv "$backups/base" "$backups/wal" "$before/"
echo "restore: the database is back; the last transaction that it knows: $reached"
echo "restore: the cluster and the backups before lie in the volume backups, in ${before##*/}; remove them when all is well"
