-- An overdue row is claimed by moving its time ahead, under `for update skip locked`: several orchestrators
-- share the work, and a row whose claimer died becomes due again. The database's clock decides. At most $1 rows.

-- name: claim_timers
-- The new time is as far ahead as the timer is late already, between 2 and 60 s: the wait doubles.
with due as (
    select run, id, fire_at from timers where due_at <= now() order by due_at limit $1
    for update skip locked
)
update timers t
set due_at = now() + greatest(interval '2 seconds', least(interval '60 seconds', now() - due.fire_at))
from due
where t.run = due.run and t.id = due.id
returning t.run, t.id, (extract(epoch from t.fire_at) * 1000)::bigint as fire_at_ms

-- name: claim_runs
-- Pending runs whose trigger did not arrive, or was deferred; as many of each tenant. $2: only
-- those overdue by so many seconds. Tenants are found from one to the next in runs_overdue_by_tenant.
with recursive busy as (
    (select tenant from runs where status = 'pending' order by tenant limit 1)
    union all
    select (
        select r.tenant from runs r where r.status = 'pending' and r.tenant > b.tenant
        order by r.tenant limit 1
    )
    from busy b where b.tenant is not null
),
due as (
    select d.id
    from busy b
    cross join lateral (
        select r.id from runs r
        where r.status = 'pending' and r.tenant = b.tenant
            and r.sweep_at <= now() - make_interval(secs => $2::float8)
        order by r.sweep_at
        limit greatest(1, $1 / (select count(*) from busy))
        for update skip locked
    ) as d
    where b.tenant is not null
    limit $1
)
update runs r
set sweep_at = now() + make_interval(secs => least(60, power(2, least(r.sweeps, 5) + 1))),
    sweeps = least(r.sweeps + 1, 1000)
from due
where r.id = due.id
returning r.id, r.tenant

-- name: claim_inbox
-- A row whose kind is not in $2 is returned as unknown, with its contents, after $3 sweeps in which nobody took it:
-- until then it may be meant for a newer release.
with due as (
    select run, key from inbox where sweep_at <= now() order by sweep_at limit $1
    for update skip locked
)
update inbox i
set sweep_at = now() + make_interval(secs => least(60, power(2, least(i.sweeps, 5) + 1))),
    sweeps = least(i.sweeps + 1, 1000)
from due
where i.run = due.run and i.key = due.key
returning i.run, i.kind <> all($2::text[]) and i.sweeps > $3::int as unknown, i.key, i.kind, i.tenant,
    case when i.kind <> all($2::text[]) then i.body end as body

-- name: first_timer
-- The one that `claim_timers` takes first; a timer has the tenant of its run.
select t.run, t.id, r.tenant from timers t left join runs r on r.id = t.run
where t.due_at <= now() order by t.due_at limit 1

-- name: next_timer
-- Seconds until the next timer is due, and the database's clock in milliseconds.
select
    extract(epoch from (
        select min(due_at) from timers where due_at > '-infinity' and due_at < 'infinity'
    ) - now())::float8 as wait_s,
    (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms
