-- Families of runs: room for child runs, cancellation of descendants, open runs per tenant.

-- name: lock_families
-- Lock the families in which runs are started ($1, $2) and those of cancelled roots ($3), in one order, until the
-- transaction ends. A root of another tenant is not locked and has no room.
with wanted as (
    select w.root, min(w.tenant) as tenant from unnest($1::uuid[], $2::text[]) as w (root, tenant)
    group by w.root
    union
    select f.root, f.tenant from unnest($3::uuid[]) as c (root) join families f on f.root = c.root
)
insert into families (root, tenant)
select root, tenant from wanted order by root
on conflict (root) do update set touched_at = clock_timestamp() where families.tenant = excluded.tenant

-- name: rooms
-- The room of the families ($1; null: of the tenant alone, $2), read under the locks; open runs are counted to $3.
select
    w.root, w.tenant, w.root is not null and (f.root is null or f.cancelled_at is not null) as cancelled,
    (select count(*) from (select from runs r where r.root = w.root limit $3) as few) as open,
    t.open_max - t.open as tenant_room, t.open_max as tenant_max
from unnest($1::uuid[], $2::text[]) as w (root, tenant)
left join families f on f.root = w.root and f.tenant = w.tenant
left join open_runs t on t.tenant = w.tenant

-- name: cancel_parents
-- Parents that would have started child runs although their root is cancelled: their next transition cancels them.
insert into inbox (run, key, tenant, kind, body)
select r.id, 'family', r.tenant, 'cancel', $2::bytea from runs r where r.id = any($1::uuid[]) order by r.id
on conflict do nothing

-- name: cancel_families
-- Roots that ended as cancelled; their families are locked.
update families set cancelled_at = coalesce(cancelled_at, now()) where root = any($1::uuid[])

-- name: cancel_descendants
-- Open descendants of cancelled roots without a cancellation in their inbox: at most $1 of each family. The inbox is
-- looked up run by run: an anti join, planned while the inbox is empty, would read all of it for each run.
with descendants as (
    select r.id, r.tenant
    from (
        select root from families where cancelled_at is not null and settled_at is null
        order by cancelled_at limit 100
    ) as f
    cross join lateral (
        select r.id, r.tenant from runs r
        where r.root = f.root
            and (select i.key from inbox i where i.run = r.id and i.key = 'family') is null
        limit $1
    ) as r
)
insert into inbox (run, key, tenant, kind, body)
select id, 'family', tenant, 'cancel', $2::bytea from descendants order by id
on conflict do nothing
returning run

-- name: settle
-- A cancelled family gains no descendants: one without open runs is settled, after a minute of grace.
update families f set settled_at = now()
where f.root in (
    select root from families
    where cancelled_at < now() - interval '1 minute' and settled_at is null
    order by cancelled_at limit 100
) and not exists (select from runs r where r.root = f.root)

-- name: retire
-- Families without open runs, from one root to the next ($1, at most $2); those that were cancelled are kept
-- for 90 days, so that none of their runs is resumed. A family in use at this moment stays.
with looked as (
    select root from families where root > $1 order by root limit $2
),
gone as (
    delete from families f
    where f.root in (
        select g.root from families g join looked s on s.root = g.root
        where g.touched_at < now() - interval '1 minute'
            and (g.cancelled_at is null or g.settled_at < now() - interval '90 days')
            and not exists (select from runs r where r.root = g.root)
            and not exists (select from runs r where r.id = g.root)
        for update of g skip locked
    )
)
select max(root::text)::uuid from looked

-- name: tally
-- Count the open runs of each tenant, to one more than it may have: $1, or what the operator has set for the tenant.
-- The tenants are those from one to the next in runs_by_tenant.
-- One replica at a time counts, for all.
with recursive lease as materialized (select pg_try_advisory_xact_lock(5647216) as mine),
busy as (
    (select tenant from runs where (select mine from lease) order by tenant limit 1)
    union all
    select (select r.tenant from runs r where r.tenant > b.tenant order by r.tenant limit 1)
    from busy b where b.tenant is not null
),
counted as (
    select b.tenant, m.most, (
        select count(*) from (select from runs r where r.tenant = b.tenant limit m.most + 1) as few
    ) as open
    from busy b
    cross join lateral (
        select coalesce(
            (select s.open_runs_max from rates s where s.tenant = b.tenant and s.subject = 'tenant'), $1::bigint
        ) as most
    ) as m
    where b.tenant is not null
),
none as (
    delete from open_runs o
    where (select mine from lease) and not exists (select from counted c where c.tenant = o.tenant)
)
insert into open_runs (tenant, open, open_max, counted_at)
select tenant, open, most, now() from counted order by tenant
on conflict (tenant) do update set open = excluded.open, open_max = excluded.open_max, counted_at = now()
