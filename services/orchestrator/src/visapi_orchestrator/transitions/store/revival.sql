-- Runs that are taken up again: who asked for it, which become live, and what a parent is told of those
-- that cannot.

-- name: retries_asked
-- Who asked that runs which are not live be taken up again. People before parents: they may name a version.
select i.run, i.body from inbox i
where i.run = any($1::uuid[]) and i.kind = 'retry' and not exists (select from runs r where r.id = i.run)
order by i.key desc

-- name: hold_families
-- Nobody cancels the roots of these runs until they are live again, and found by whoever cancels then.
select from families f
where f.root in (
    select d.root from runs_done d
    where d.retention = any(array(select name from retention_classes)) and d.id = any($1::uuid[])
)
order by f.root
for share

-- name: revive
-- Runs that can be taken up become live again; $2, $3: under another definition. A row is in one of the
-- two tables in every snapshot. Only what is known to be in vain is dropped: a run that somebody else
-- takes up at this moment still needs its row in the inbox, and a parent is told (`ends_again`). A descendant of
-- a cancelled root is not taken up.
with asked as (
    select * from unnest($1::uuid[], $2::text[], $3::text[]) as a (run, version, program)
),
back as (
    delete from runs_done d using asked a
    where d.retention = any(array(select name from retention_classes)) and d.id = a.run and d.resume is not null
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
                and d.resume is not null
                and not exists (select from families f where f.root = d.root and f.cancelled_at is not null)
        )
)
insert into runs (
    id, tenant, namespace, name, version, program, status, revision, seq, priority, partition, retention,
    trace, input, state, started_by, created_at, started_at,
    parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, root, depth
)
select
    id, tenant, namespace, name, coalesce(new_version, version), coalesce(new_program, program), 'running',
    revision, seq, priority, get_byte(uuid_send(id), 15) & 63, retention, trace, input, resume, started_by,
    created_at, started_at, parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, root, depth
from back
returning id

-- name: ends_again
-- Of runs that their parents want taken up again and that ended for good, or are no longer kept.
select i.run, i.key, i.tenant, i.body, d.status, d.output, d.error
from inbox i
left join runs_done d on d.retention = any(array(select name from retention_classes)) and d.id = i.run
where i.run = any($1::uuid[]) and i.kind = 'retry' and i.key like 'parent:%'
    and not exists (select from runs r where r.id = i.run)
    and (
        d.id is null or d.resume is null
        or exists (select from families f where f.root = d.root and f.cancelled_at is not null)
    )

-- name: tell_parents
-- In one transaction with the end of the asking; a parent that has ended meanwhile needs to be told nothing.
with told as (
    insert into inbox (run, key, tenant, kind, body)
    select p.parent, p.key, p.tenant, 'child', p.body
    from unnest($1::uuid[], $3::text[], $4::bytea[], $5::text[]) as p (parent, tenant, body, key)
    where exists (select from runs r where r.id = p.parent)
    on conflict do nothing
)
delete from inbox i using unnest($2::uuid[], $6::text[]) as g (child, key)
where i.run = g.child and i.key = g.key
