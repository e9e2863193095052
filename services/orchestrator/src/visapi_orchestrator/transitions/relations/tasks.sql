-- name: write
tasks_put as (
    insert into tasks (
        run, path, attempt, tenant, function, effect_key, token, message, priority, partition, ready_at,
        sweep_at, sent_at
    )
    -- The sweep leaves a held task alone for ten minutes.
    select
        d.id, t.path, t.attempt, d.tenant, t.function, t.effect_key, t.token, t.message, d.priority,
        get_byte(uuid_send(d.id), 15) & 63, now() - d.priority * interval '1 minute',
        now() + case when t.held then interval '10 minutes' else interval '2 seconds' end,
        case when not t.held then now() end
    from {new_tasks} as t
    join live d on d.id = t.run
    on conflict (run, path) do update set
        attempt = excluded.attempt, function = excluded.function, effect_key = excluded.effect_key,
        token = excluded.token, message = excluded.message, ready_at = excluded.ready_at,
        state = 'queued', claimed_by = null, heartbeat_at = null, sweep_at = excluded.sweep_at, sweeps = 0,
        created_at = now(), sent_at = excluded.sent_at
    returning run, attempt
),
tasks_removed as (
    delete from tasks t using {removed_tasks} as g, live d
    where t.run = g.run and t.path = g.path and d.id = g.run
),
tasks_of_ended as (delete from tasks t using ended e where t.run = e.id)

-- name: lock_cancelled
-- The tasks that the failure of a run cancels. The lock keeps a worker from claiming one of class `once`
-- (`claim_once`) between this look and the end of the run.
select t.run, t.state from tasks t
join {cancelled_tasks} as c on t.run = c.run and t.path = c.path
order by t.run, t.path
for update of t

-- name: record_started
-- The abandoned tasks that a worker began under a claim. Only where the run will be written: the run is locked
-- at its revision ($1, $2), in the order in which `write_batch` takes the runs. The tasks are locked as in
-- `lock_cancelled`.
with standing as (
    select r.id from unnest($1::uuid[], $2::int[]) as i (run, revision)
    join runs r on r.id = i.run and r.revision = i.revision
    for update of r
),
abandoned as (
    select t.run, t.effect_key, t.claimed_by
    from {abandoned_tasks} as g
    join standing s on s.id = g.run
    join tasks t on t.run = g.run and t.path = g.path
    for update of t
)
insert into started_effects (run, effect_key)
select run, effect_key from abandoned where claimed_by is not null
on conflict do nothing
