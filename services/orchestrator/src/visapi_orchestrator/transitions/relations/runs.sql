-- Runs that go on, and runs that end. `done` names the runs whose compare-and-set held; every other relation of
-- the statement joins to `done`, `live` or `ended`.

-- name: write
live_in as (select * from {live} as i),
ended_in as (select * from {ended} as i),
live as (
    update runs r
    set status = i.status, revision = r.revision + 1, seq = i.seq, state = i.state,
        started_at = coalesce(r.started_at, now())
    from live_in i
    where r.id = i.run and r.revision = i.revision
    returning r.id, r.tenant, r.namespace, r.name, r.retention, r.priority, r.created_at, r.quiet
),
ended as (
    delete from runs r using ended_in i
    where r.id = i.run and r.revision = i.revision
    returning r.*, i.status as end_status, i.seq as end_seq, i.output, i.error, i.resume
),
done as (
    select id, tenant, namespace, name, retention, priority, created_at, quiet from live
    union all
    select id, tenant, namespace, name, retention, priority, created_at, quiet from ended
),
moved as (
    insert into runs_done (
        id, tenant, namespace, name, version, program, status, revision, seq, priority, retention,
        trace, input, output, error, started_by, created_at, started_at, ended_at,
        parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, resume, root, depth, test
    )
    select
        id, tenant, namespace, name, version, program, end_status, revision + 1, end_seq, priority,
        retention, trace, input, output, error, started_by, created_at, coalesce(started_at, now()), now(),
        parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, resume, root, depth, test
    from ended
)

-- name: written
select id, extract(epoch from clock_timestamp() - created_at)::float8 as age_s from done
