-- Lifecycle events: history read in the order of its transactions, up to the oldest that is under way.

-- name: take_lease
-- One replica at a time, until the transaction ends; `5647219` is an arbitrary constant.
select pg_try_advisory_xact_lock(5647219)

-- name: read_history
-- Of the rows that nothing can precede any more: index scans of history_by_xid, merged over the partitions.
-- A transaction is taken whole. $2: items of tasks too; a row without one of a workflow is passed over.
-- One row without a run when there is none: `upto` is how far the reader has seen.
with mark as (
    select r.xid as since, pg_snapshot_xmin(pg_current_snapshot()) as upto from lifecycle_relay r
)
select m.since::text as since, m.upto::text as upto, h.xid::text as xid, h.run, h.tenant, h.retention, h.items
from mark m
left join lateral (
    select xid, run, tenant, retention, items from history
    where xid >= m.since and xid < m.upto
        and ($2 or position('"type":"workflow.'::bytea in items) > 0)
    order by xid
    fetch first $1 rows with ties
) h on true
order by h.xid

-- name: origins
-- The runs of the history rows, live or ended. `by_event`: it was started by the quiet run that listens for its schedule.
with asked as (select * from unnest($1::uuid[], $2::text[]) as a (id, retention)),
found as (
    select r.id, r.namespace, r.name, r.version, r.trace, r.parent, r.test
    from asked a join runs r on r.id = a.id
    union all
    select d.id, d.namespace, d.name, d.version, d.trace, d.parent, d.test
    from asked a join runs_done d on d.retention = a.retention and d.id = a.id
)
select
    f.*,
    f.parent is not null and (
        exists (select from runs p where p.id = f.parent and p.quiet)
        or exists (
            select from runs_done p
            where p.retention = any(array(select name from retention_classes)) and p.id = f.parent and p.quiet
        )
    ) as by_event
from found f

-- name: move_on
update lifecycle_relay set xid = $1::text::xid8 where xid < $1::text::xid8

-- name: skip
update lifecycle_relay set xid = pg_snapshot_xmin(pg_current_snapshot())
where xid < pg_snapshot_xmin(pg_current_snapshot())
