-- name: queue_levels
-- What waits in each queue of the ledger, counted up to $1, and the seconds that its first row has waited. Each part
-- reads from one partial index. Runs that wait for their own concurrency or rate, and schedules of disabled tenants, do not wait for VisAPI; webhooks that
-- were given up wait for their receivers.
select queue, waiting, coalesce(greatest(0, extract(epoch from clock_timestamp() - since)), 0)::float8 as oldest_s
from (
    select 'pending_runs' as queue, count(*) as waiting, min(created_at) as since
    from (select created_at from runs where status = 'pending' and sweep_at < 'infinity' limit $1) as rows
    union all
    select 'inbox', count(*), min(created_at)
    from (select created_at from inbox order by sweep_at limit $1) as rows
    union all
    select 'held_tasks', count(*), min(ready_at)
    from (select ready_at from tasks where sent_at is null limit $1) as rows
    union all
    select 'due_timers', count(*), min(due_at)
    from (select due_at from timers where due_at <= now() order by due_at limit $1) as rows
    union all
    select 'due_schedules', count(*), min(next_at)
    from (
        select s.next_at from schedules s
        where not s.paused and s.quarantined_at is null and s.next_at <= now()
            and not exists (select from tenants t where t.id = s.tenant and t.disabled_at is not null)
        order by s.next_at limit $1
    ) as rows
    union all
    select 'events_to_match', count(*), min(received_at)
    from (
        select received_at from events_in where matched_at is null order by received_at limit $1
    ) as rows
    union all
    select 'events_to_publish', count(*), min(received_at)
    from (
        select received_at from events_in
        where publish and published_at is null order by received_at limit $1
    ) as rows
    union all
    select 'dead_letters', count(*), min(created_at)
    from (
        select created_at from dead_letters where resolved_at is null and kind is distinct from 'webhook' limit $1
    ) as rows
) as levels

-- name: letter_levels
-- Open dead letters by what they are about ($2), each counted up to $1, and the seconds that the oldest of each is open. One
-- probe of dead_letters_open_by_kind for each: a flood of one hides no other.
select k.kind, count(l.created_at) as waiting,
    coalesce(greatest(0, extract(epoch from clock_timestamp() - min(l.created_at))), 0)::float8 as oldest_s
from unnest($2::text[]) as k (kind)
left join lateral (
    select created_at from dead_letters
    where resolved_at is null and case when kind is null then reason else kind end = k.kind
    order by created_at limit $1
) as l on true
group by k.kind

-- name: erasure_level
select count(*) as waiting,
    coalesce(greatest(0, extract(epoch from clock_timestamp() - min(requested_at))), 0)::float8 as oldest_s
from tenant_erasures where erased_at is null

-- name: store_level
-- The position in the write-ahead log is the sum of everything that was written; only a primary has one.
select pg_database_size(current_database()) as database_bytes,
    (case when pg_is_in_recovery() then 0 else pg_current_wal_lsn() - '0/0'::pg_lsn end)::bigint as wal_bytes
