-- Runs that are resumed: the requests, the runs that become live, and the notices to parents of runs that cannot
-- be resumed.

-- name: retries_asked
-- Requests to retry runs that are not live. People before parents: people may name a version.
select i.run, i.body from inbox i
where i.run = any($1::uuid[]) and i.kind = 'retry' and not exists (select from runs r where r.id = i.run)
order by i.key desc

-- name: hold_families
-- Lock the families of these runs: a cancellation waits until the runs are live, and then finds them.
select from families f
where f.root in (
    select d.root from runs_done d
    where d.retention = any(array(select name from retention_classes)) and d.id = any($1::uuid[])
)
order by f.root
for share

-- name: revive
-- Runs that can be resumed become live; $2, $3: under another definition. Every snapshot sees a run in one of the
-- two tables. Only hopeless requests are dropped: a run that another process resumes at this moment still needs its
-- inbox row, and a parent is notified (`ends_again`). A descendant of a cancelled root is not resumed, nor is the
-- listener of a schedule: events no longer reach it.
with asked as (
    select * from unnest($1::uuid[], $2::text[], $3::text[]) as a (run, version, program)
),
back as (
    delete from runs_done d using asked a
    where d.retention = any(array(select name from retention_classes)) and d.id = a.run and d.resume is not null
        and not d.quiet
        and not exists (select from families f where f.root = d.root and f.cancelled_at is not null)
    returning d.*, a.version as new_version, decode(a.program, 'hex') as new_program
),
in_vain as (
    delete from inbox i using asked a
    where i.run = a.run and i.kind = 'retry' and i.key not like 'parent:%'
        and not exists (select from runs r where r.id = a.run)
        and not exists (
            select from runs_done d
            where d.retention = any(array(select name from retention_classes)) and d.id = a.run
                and d.resume is not null and not d.quiet
                and not exists (select from families f where f.root = d.root and f.cancelled_at is not null)
        )
),
counted as (
    insert into usage_deltas (tenant, namespace, name, retried)
    select tenant, namespace, name, count(*) from back where not quiet group by tenant, namespace, name
)
insert into runs (
    id, tenant, namespace, name, version, program, status, revision, seq, priority, partition, retention,
    trace, input, state, started_by, created_at, started_at,
    parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, root, depth, test
)
select
    id, tenant, namespace, name, coalesce(new_version, version), coalesce(new_program, program), 'running',
    revision, seq, priority, get_byte(uuid_send(id), 15) & 63, retention, trace, input, resume, started_by,
    created_at, started_at, parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, root, depth, test
from back
returning id

-- name: ends_again
-- The ends of runs that their parents asked to retry and that cannot be resumed, or are no longer kept.
select i.run, i.key, i.tenant, i.body, d.status, d.output, d.error
from inbox i
left join runs_done d on d.retention = any(array(select name from retention_classes)) and d.id = i.run
where i.run = any($1::uuid[]) and i.kind = 'retry' and i.key like 'parent:%'
    and not exists (select from runs r where r.id = i.run)
    and (
        d.id is null or d.resume is null
        or exists (select from families f where f.root = d.root and f.cancelled_at is not null)
    )

-- name: notify_parents
-- Writes the notice and deletes the request. A parent that has ended meanwhile needs no notice.
with notified as (
    insert into inbox (run, key, tenant, kind, body)
    select p.parent, p.key, p.tenant, 'child', p.body
    from unnest($1::uuid[], $3::text[], $4::bytea[], $5::text[]) as p (parent, tenant, body, key)
    where exists (select from runs r where r.id = p.parent)
    on conflict do nothing
)
delete from inbox i using unnest($2::uuid[], $6::text[]) as g (child, key)
where i.run = g.child and i.key = g.key
