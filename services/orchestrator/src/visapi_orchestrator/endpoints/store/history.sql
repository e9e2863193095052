-- History, read for endpoints in the order of its transactions, up to the oldest that is under way.

-- name: take_lease
-- One replica at a time, until the transaction ends; `5647220` is an arbitrary constant.
select pg_try_advisory_xact_lock(5647220)

-- name: wanted
-- Tenants with endpoints that want to know of runs or of tasks; one row without a tenant when there is none. An endpoint
-- that this look does not see was committed after everything that has a transaction below `upto`.
with wanting as (
    select tenant, bit_or(wants) as wants from endpoints
    where enabled and deleted_at is null and wants & 3 > 0
    group by tenant
)
select pg_snapshot_xmin(pg_current_snapshot())::text as upto, w.tenant, w.wants
from (select) as one left join wanting w on true

-- name: read_history
-- Of at most $1 rows, and of whole transactions, those of tenants in $2, where tasks do or a workflow does; of tenants
-- in $3 all. What is read is bounded, whomever it belongs to, and ends where the look for endpoints ended ($4): of later
-- history nobody knows yet who wants it. One row without a run when there is none.
with mark as (
    select r.xid as since, greatest(r.xid, $4::text::xid8) as upto from endpoint_relay r
), passed as materialized (
    select h.xid, h.run, h.tenant, h.retention, h.items
    from mark m
    cross join lateral (
        select xid, run, tenant, retention, items from history
        where xid >= m.since and xid < m.upto
        order by xid
        fetch first $1 rows with ties
    ) as h
), counted as (
    select count(*) as rows, max(xid::text::numeric) as last from passed
)
select m.since::text as since, m.upto::text as upto, c.rows, c.last::text as last, p.run, p.tenant, p.retention, p.items
from mark m
cross join counted c
left join passed p on p.tenant = any($3::text[])
    or (p.tenant = any($2::text[]) and position('"type":"workflow.'::bytea in p.items) > 0)
order by p.xid

-- name: origins
-- The runs of history rows, live or ended; not the system's own, which listen for schedules, and no test runs.
with asked as (select * from unnest($1::uuid[], $2::text[]) as a (id, retention))
select r.id, r.namespace, r.name, r.version, r.parent from asked a join runs r on r.id = a.id
where not r.quiet and not r.test
union all
select d.id, d.namespace, d.name, d.version, d.parent
from asked a join runs_done d on d.retention = a.retention and d.id = a.id
where not d.quiet and not d.test

-- name: add_news
insert into endpoint_news (tenant, type, about, at, data)
select n.tenant, n.type, n.about, n.at, n.data
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[])
    with ordinality as n (tenant, type, about, at, data, place)
order by n.place

-- name: move_on
update endpoint_relay set xid = $1::text::xid8 where xid < $1::text::xid8

-- name: skip
-- Not where an endpoint was made since the look for endpoints: what follows that is for it.
update endpoint_relay set xid = pg_snapshot_xmin(pg_current_snapshot())
where xid < pg_snapshot_xmin(pg_current_snapshot())
    and not exists (select from endpoints where enabled and deleted_at is null and wants & 3 > 0)
