-- Changes of the runs of some tenants, in the order of their transactions.

-- name: upto
-- Where a reader begins: every transaction below `upto` has ended. The restore of the database that came last.
select pg_snapshot_xmin(s.now)::text as upto, pg_snapshot_xmax(s.now)::text as newest,
    (select extract(epoch from max(at))::float8 from restores) as restored
from (select pg_current_snapshot() as now) as s

-- name: changes
-- Of tenants $1, the rows that tell of a run as a whole, after the place $2, $3, $4; of transactions below $5, and of
-- rows that nothing can precede any more: index scans of history_by_xid, merged over the partitions. A page has $6
-- rows, and $7 bytes or one row. Runs that the system keeps for itself are left out, and those that a key does not see.
-- One row without a run when there is none.
with mark as materialized (
    select pg_snapshot_xmin(s.now) as upto, pg_snapshot_xmax(s.now) as newest,
        least(pg_snapshot_xmin(s.now), $5::text::xid8) as ends
    from (select pg_current_snapshot() as now) as s
)
select m.upto::text as upto, m.newest::text as newest, m.ends::text as ends,
    (select extract(epoch from max(at))::float8 from restores) as restored,
    p.xid::text as xid, p.run, p.tenant, p.first_seq, p.last_seq, p.items, p.found,
    p.namespace, p.name, p.version, p.test
from mark m
left join lateral (
    select page.*, count(*) over () as found,
        sum(octet_length(page.items)) over (order by page.xid, page.run, page.last_seq)
            - octet_length(page.items) as before
    from (
        select h.xid, h.run, h.tenant, h.first_seq, h.last_seq, h.items, r.namespace, r.name, r.version, r.test
        from history h
        cross join lateral (
            select namespace, name, version, test from runs
            where id = h.run and tenant = h.tenant and not quiet
            union all
            select namespace, name, version, test from runs_done
            where retention = h.retention and id = h.run and tenant = h.tenant and not quiet
        ) as r
        where h.tenant = any($1::text[]) and h.xid >= $2::text::xid8 and h.xid < m.ends
            and (h.xid > $2::text::xid8 or (h.run, h.last_seq) > ($3::uuid, $4::integer))
            and position('"type":"workflow.'::bytea in h.items) > 0
        order by h.xid, h.run, h.last_seq
        limit $6
    ) as page
) as p on p.before < $7
order by p.xid, p.run, p.last_seq

-- name: in_time
-- PostgreSQL ends a read that takes longer.
set local statement_timeout = '3s'
