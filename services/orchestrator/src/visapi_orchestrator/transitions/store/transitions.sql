-- What the ledger reads. Transitions are written by the statements of `statements.py`.

-- name: load_runs
-- Index scan of runs_pkey; the inbox is looked at by its primary key, once per run.
-- What is known of the runs, with the inbox rows of each, in the order in which they came.
select
    r.id, r.tenant, r.namespace, r.name, r.version, encode(r.program, 'hex') as program,
    r.status, r.revision, r.seq, r.priority, r.trace, r.state, r.created_at, r.parent, r.parent_path, r.root,
    r.depth, r.quiet, r.test,
    case when r.revision = 0 then r.input end as input,
    (
        select array_agg(row(i.key, i.kind, i.body) order by i.seq)
        from inbox i where i.run = r.id
    ) as inbox,
    (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms
from runs r
where r.id = any($1::uuid[])

-- name: load_settled
-- After an unknown commit: where the runs stand now, live or ended.
select id, revision, state from runs where id = any($1::uuid[])
union all
select id, revision, null from runs_done where retention = any(array(select name from retention_classes)) and id = any($1::uuid[])

-- name: forget_absent
-- Rows addressed to runs that are not live (ended meanwhile, or never were) are of no concern, but for
-- those that ask to take a run up again: `revive` consumes them.
with absent as (
    select a.id from unnest($1::uuid[]) as a (id)
    where not exists (select from runs r where r.id = a.id)
),
inbox_gone as (delete from inbox i using absent a where i.run = a.id and i.kind <> 'retry'),
timers_gone as (delete from timers t using absent a where t.run = a.id)
delete from tasks t using absent a where t.run = a.id

-- name: tenant_of
select tenant from runs where id = $1

-- name: load_collections
select w.run, w.key, c.body
from unnest($1::uuid[], $2::text[]) as w (run, key)
left join collections c on c.run = w.run and c.key = w.key

-- name: collections_held
-- How many collections a listener has, and their bytes, from collections_size alone.
select w.run, h.number, h.bytes
from unnest($1::uuid[]) as w (run)
cross join lateral (
    select count(*) as number, coalesce(sum(c.size), 0) as bytes from collections c where c.run = w.run
) as h
