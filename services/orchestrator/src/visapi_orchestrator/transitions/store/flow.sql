-- Flow control, within the transaction of the transitions that it admits. First every key is locked, in one
-- order; the statements that follow see everything that earlier holders of the locks have committed. So no two
-- transactions assign the same slot.

-- name: lock
select pg_advisory_xact_lock(k) from (
    select distinct hashtextextended(name, 5647215) as k from unnest($1::text[]) as n (name) order by k
) as ordered

-- name: request
-- Runs that want to begin join the queue, unless they wait already or were admitted. A run that is not live is
-- left out. $8: the starts that a rate limit reserved for them, null without one. The queue keeps the order of the
-- arrays, which a plan would not keep by itself: each run comes a microsecond after the one before.
with clock as materialized (select clock_timestamp() as at),
asked as (
    select a.*, clock.at + a.n * interval '1 microsecond' as since
    from clock, unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::smallint[], $8::timestamptz[]
    ) with ordinality as a (run, tenant, scope, key, lim, on_limit, priority, ready_at, n)
),
ranked as (
    update runs r set priority = a.priority from asked a where r.id = a.run and r.priority <> a.priority
)
insert into flow_waiting (run, tenant, scope, key, lim, on_limit, priority, since, ready_at)
select a.run, a.tenant, a.scope, a.key, a.lim, a.on_limit, a.priority, a.since,
    coalesce(a.ready_at, now())
from asked a
where exists (select from runs r where r.id = a.run)
    and not exists (select from flow_slots s where s.run = a.run)
on conflict do nothing

-- name: inherit
-- A run whose ancestor is admitted under the same key is admitted with it.
with recursive up as (
    select a.run, r.parent
    from unnest($1::uuid[]) as a (run) join runs r on r.id = a.run
    where r.parent is not null
    union
    select up.run, r.parent from up join runs r on r.id = up.parent where r.parent is not null
),
heirs as (
    delete from flow_waiting w using up, flow_slots s
    where w.run = up.run and s.run = up.parent
        and s.tenant = w.tenant and s.scope = w.scope and s.key = w.key
    returning w.run, w.tenant, w.scope, w.key, w.lim
)
insert into flow_slots (run, tenant, scope, key, lim, inherited)
select distinct run, tenant, scope, key, lim, true from heirs
on conflict do nothing

-- name: reserve_rate
-- Reserve the start of a run ($1) under a rate limit: at most $5 runs begin in any span of $6 ms.
with known as (select at from rate_reservations where run = $1),
earlier as (
    select at from rate_reservations
    where tenant = $2 and scope = $3 and key = $4
    order by at desc offset $5::int - 1 limit 1
),
reserved as (
    select greatest(
        clock_timestamp(), (select at from earlier) + make_interval(secs => $6::float8 / 1000)
    ) as at
    where not exists (select from known)
),
taken as (
    insert into rate_reservations (run, tenant, scope, key, at, counts_until)
    select $1, $2, $3, $4, at, at + make_interval(secs => $6::float8 / 1000) from reserved
)
select at from known union all select at from reserved

-- name: fill
-- Assign the free slots of the keys: the highest priority first, where each minute of waiting raises the priority
-- by one; then in order of arrival. The index gives the first runs of each priority.
with keys as (
    select distinct tenant, scope, key from unnest($1::text[], $2::text[], $3::text[]) as k (tenant, scope, key)
),
held as (
    select k.*, (
        select count(*) from flow_slots s
        where s.tenant = k.tenant and s.scope = k.scope and s.key = k.key and not s.inherited
    ) as taken
    from keys k
),
chosen as (
    select line.run
    from held h
    cross join lateral (
        select f.run, f.lim, row_number() over (
            order by least(9, f.priority + floor(extract(epoch from now() - f.since) / 60)) desc, f.since, f.run
        ) as place
        from generate_series(0, 9) as level
        cross join lateral (
            select w.run, w.lim, w.priority, w.since from flow_waiting w
            where w.tenant = h.tenant and w.scope = h.scope and w.key = h.key and w.priority = level
                and w.ready_at <= clock_timestamp()
            order by w.since, w.run limit 256
        ) as f
    ) as line
    where line.lim = 0 or h.taken + line.place <= line.lim
),
admitted as (
    delete from flow_waiting w using chosen c where w.run = c.run
    returning w.run, w.tenant, w.scope, w.key, w.lim
),
slots as (
    insert into flow_slots (run, tenant, scope, key, lim)
    select run, tenant, scope, key, lim from admitted
    on conflict do nothing
),
awake as (
    update runs r set sweep_at = now() from admitted a where r.id = a.run and r.status = 'pending'
)
select run from admitted

-- name: reject
-- Of the requesting runs, those that must not wait and cannot begin.
delete from flow_waiting where run = any($1::uuid[]) and on_limit = 'reject' and ready_at <= clock_timestamp()
returning run

-- name: cancel_oldest
-- The newest runs of a key go on: older runs beyond the limit are cancelled.
with keys as (
    select distinct tenant, scope, key, lim from flow_waiting
    where run = any($1::uuid[]) and on_limit = 'cancel-oldest'
),
ranked as (
    select m.run, k.tenant, k.lim,
        row_number() over (partition by k.tenant, k.scope, k.key order by m.run desc) as place
    from keys k
    cross join lateral (
        select s.run from flow_slots s
        where s.tenant = k.tenant and s.scope = k.scope and s.key = k.key and not s.inherited
        union all
        select w.run from flow_waiting w where w.tenant = k.tenant and w.scope = k.scope and w.key = k.key
    ) as m
)
insert into inbox (run, key, tenant, kind, body)
select run, 'concurrency', tenant, 'cancel', $2::bytea from ranked where place > lim
on conflict do nothing
returning run

-- name: stand
-- Which of the requesting runs wait now. The sweep of pending runs skips waiting runs.
with waiting as (select run, ready_at from flow_waiting where run = any($1::uuid[])),
asleep as (
    update runs r set sweep_at = 'infinity' from waiting w where r.id = w.run and r.status = 'pending'
),
alarms as (
    insert into timers (run, id, fire_at, due_at)
    select run, '#rate', ready_at, ready_at from waiting where ready_at > clock_timestamp()
    on conflict (run, id) do update set fire_at = excluded.fire_at, due_at = excluded.due_at
),
heard as (
    delete from timers t using waiting w
    where t.run = w.run and t.id = '#rate' and w.ready_at <= clock_timestamp()
)
select run, extract(epoch from ready_at)::float8 * 1000 as ready_ms from waiting

-- name: release
-- Ended runs release their slots and their places in the queue.
with slots as (delete from flow_slots where run = any($1::uuid[]))
delete from flow_waiting where run = any($1::uuid[])

-- name: release_abandoned
-- Runs that the orchestrator ended before their demand under flow control was known.
with slots as (delete from flow_slots where run = any($1::uuid[]))
delete from flow_waiting where run = any($1::uuid[])

-- name: tidy_slots
-- Delete slots of runs that are not live, among the next $2 after the run $1; return the last run looked at.
with looked as (select run from flow_slots where run > $1 order by run limit $2),
gone as (
    delete from flow_slots s using looked l
    where s.run = l.run and not exists (select from runs r where r.id = l.run)
)
select max(run::text)::uuid from looked

-- name: tidy_waiting
-- The same for waiting runs.
with looked as (select run from flow_waiting where run > $1 order by run limit $2),
gone as (
    delete from flow_waiting w using looked l
    where w.run = l.run and not exists (select from runs r where r.id = l.run)
)
select max(run::text)::uuid from looked

-- name: tidy_reservations
-- Reservations that no longer count.
delete from rate_reservations where run in (
    select run from rate_reservations where counts_until < now() order by counts_until limit $1
    for update skip locked
)

-- name: keys_with_waiting
-- The next $4 keys after one ($1 to $3) under which somebody waits, and whether one could be admitted now: from
-- one key to the next in flow_waiting_by_key. Only as many slots are counted as make a difference.
with recursive keys as (
    (
        select w.tenant, w.scope, w.key, 1 as n from flow_waiting w
        where (w.tenant, w.scope, w.key) > ($1, $2, $3)
        order by w.tenant, w.scope, w.key limit 1
    )
    union all
    select n.tenant, n.scope, n.key, k.n + 1
    from keys k
    cross join lateral (
        select w.tenant, w.scope, w.key from flow_waiting w
        where (w.tenant, w.scope, w.key) > (k.tenant, k.scope, k.key)
        order by w.tenant, w.scope, w.key limit 1
    ) as n
    where k.n < $4
)
select k.tenant, k.scope, k.key, coalesce(line.ready and (line.lim = 0 or line.lim > (
    select count(*) from (
        select from flow_slots s
        where s.tenant = k.tenant and s.scope = k.scope and s.key = k.key and not s.inherited
        limit line.lim
    ) as few
)), false) as free
from keys k
-- The first run of each priority.
cross join lateral (
    select max(f.lim) as lim, bool_or(f.ready_at <= now()) as ready
    from generate_series(0, 9) as level
    cross join lateral (
        select w.lim, w.ready_at from flow_waiting w
        where w.tenant = k.tenant and w.scope = k.scope and w.key = k.key and w.priority = level
        order by w.since, w.run limit 1
    ) as f
) as line
order by k.tenant, k.scope, k.key
