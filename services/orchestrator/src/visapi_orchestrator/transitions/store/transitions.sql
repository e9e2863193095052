-- The transition: one statement writes a batch of runs by compare-and-set and, joined to the runs
-- that really were updated, everything that follows from it (DESIGN 3.4). All reads of one statement
-- see one snapshot, so a row is named by one part only.

-- name: load_runs
-- Index scan of runs_pkey; the inbox is looked at by its primary key, once per run.
-- What is known of the runs, with the inbox rows of each, in the order in which they came.
select
    r.id, r.tenant, r.namespace, r.name, r.version, encode(r.program, 'hex') as program,
    r.status, r.revision, r.seq, r.priority, r.trace, r.state, r.created_at, r.parent, r.parent_path, r.root,
    r.depth,
    case when r.revision = 0 then r.input end as input,
    (
        select array_agg(row(i.key, i.kind, i.body) order by i.seq)
        from inbox i where i.run = r.id
    ) as inbox,
    (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms
from runs r
where r.id = any($1::uuid[])

-- name: begun
-- The tasks that a failure cancels. They are locked, so that nobody begins one of class `once` any more
-- (`claim_once`) between this look and the end of its run.
select t.run, t.state from tasks t
join unnest($1::uuid[], $2::text[]) as c (run, path) on t.run = c.run and t.path = c.path
order by t.run, t.path
for update of t

-- name: remember_started
-- Of the tasks ($3, $4) that are given up without an answer: those that a worker began under a claim. Only where
-- the run will be written: it is locked at its revision ($1, $2), in the order in which `write_batch` takes
-- the runs. The tasks are locked as in `begun`.
with standing as (
    select r.id from unnest($1::uuid[], $2::int[]) as i (run, revision)
    join runs r on r.id = i.run and r.revision = i.revision
    for update of r
),
given_up as (
    select t.run, t.effect_key, t.claimed_by
    from unnest($3::uuid[], $4::text[]) as g (run, path)
    join standing s on s.id = g.run
    join tasks t on t.run = g.run and t.path = g.path
    for update of t
)
insert into started_effects (run, effect_key)
select run, effect_key from given_up where claimed_by is not null
on conflict do nothing

-- name: write_batch
-- EXPLAIN ANALYZE with 20,000 live runs, 64 going on and 32 ending: nested loops over runs_pkey,
-- tasks_pkey and timers_pkey, hash joins between the small inputs, 2.6 ms; for one run 0.4 ms, and
-- 0.4 ms more when it is planned anew (see SESSION in ledger.py).
with live_in as (
    select * from unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::bytea[])
        as t (run, revision, status, seq, state)
),
ended_in as (
    select * from unnest(
        $6::uuid[], $7::int[], $8::text[], $9::int[], $10::bytea[], $11::bytea[], $30::bytea[]
    ) as t (run, revision, status, seq, output, error, resume)
),
live as (
    update runs r
    set status = i.status, revision = r.revision + 1, seq = i.seq, state = i.state,
        started_at = coalesce(r.started_at, now())
    from live_in i
    where r.id = i.run and r.revision = i.revision
    returning r.id, r.tenant, r.retention, r.priority, r.created_at
),
ended as (
    delete from runs r using ended_in i
    where r.id = i.run and r.revision = i.revision
    returning r.*, i.status as end_status, i.seq as end_seq, i.output, i.error, i.resume
),
done as (
    select id, tenant, retention, priority, created_at from live
    union all
    select id, tenant, retention, priority, created_at from ended
),
moved as (
    insert into runs_done (
        id, tenant, namespace, name, version, program, status, revision, seq, priority, retention,
        trace, input, output, error, started_by, created_at, started_at, ended_at,
        parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, resume, root, depth
    )
    select
        id, tenant, namespace, name, version, program, end_status, revision + 1, end_seq, priority,
        retention, trace, input, output, error, started_by, created_at, coalesce(started_at, now()), now(),
        parent, parent_path, schedule, fire_at, rerun_of, attributes, quiet, resume, root, depth
    from ended
),
written as (
    insert into history (run, first_seq, last_seq, tenant, retention, items)
    select d.id, h.first_seq, h.last_seq, d.tenant, d.retention, h.items
    from unnest($12::uuid[], $13::int[], $14::int[], $15::bytea[]) as h (run, first_seq, last_seq, items)
    join done d on d.id = h.run
),
tasks_put as (
    insert into tasks (
        run, path, attempt, tenant, function, effect_key, token, message, priority, partition, ready_at,
        sweep_at, sent_at
    )
    -- What is held back is no concern of the sweep for long.
    select
        d.id, t.path, t.attempt, d.tenant, t.function, t.effect_key, t.token, t.message, d.priority,
        get_byte(uuid_send(d.id), 15) & 63, now() - d.priority * interval '1 minute',
        now() + case when t.held then interval '10 minutes' else interval '2 seconds' end,
        case when not t.held then now() end
    from unnest(
        $16::uuid[], $17::text[], $18::int[], $19::text[], $20::text[], $21::text[], $22::bytea[], $31::bool[]
    ) as t (run, path, attempt, function, effect_key, token, message, held)
    join live d on d.id = t.run
    on conflict (run, path) do update set
        attempt = excluded.attempt, function = excluded.function, effect_key = excluded.effect_key,
        token = excluded.token, message = excluded.message, ready_at = excluded.ready_at,
        state = 'queued', claimed_by = null, heartbeat_at = null, sweep_at = excluded.sweep_at, sweeps = 0,
        created_at = now(), sent_at = excluded.sent_at
),
tasks_gone as (
    delete from tasks t using unnest($23::uuid[], $24::text[]) as g (run, path), live d
    where t.run = g.run and t.path = g.path and d.id = g.run
),
timers_put as (
    insert into timers (run, id, fire_at, due_at)
    select d.id, t.id, to_timestamp(t.fire_at_ms / 1000.0), to_timestamp(t.fire_at_ms / 1000.0)
    from unnest($25::uuid[], $26::text[], $27::bigint[]) as t (run, id, fire_at_ms)
    join live d on d.id = t.run
    on conflict (run, id) do update set fire_at = excluded.fire_at, due_at = excluded.due_at
),
timers_gone as (
    delete from timers t using unnest($28::uuid[], $29::text[]) as g (run, id), live d
    where t.run = g.run and t.id = g.id and d.id = g.run
),
ended_tasks as (delete from tasks t using ended e where t.run = e.id),
ended_timers as (delete from timers t using ended e where t.run = e.id),
ended_inbox as (
    -- A parent that wants the run again, which it had cancelled, may have said so at this very moment.
    delete from inbox i using ended e where i.run = e.id and not (i.kind = 'retry' and i.key like 'parent:%')
)
select id, extract(epoch from clock_timestamp() - created_at)::float8 as age_s from done

-- name: write_rest
-- The rarer rows of the same transaction, for runs that `write_batch` has just updated ($1).
with done as (select id from unnest($1::uuid[]) as d (id)),
inbox_gone as (
    delete from inbox i using unnest($2::uuid[], $3::text[]) as g (run, key), done d
    where i.run = g.run and i.key = g.key and d.id = g.run
),
letters_in as (
    select l.*, d.id as known
    from unnest(
        $4::uuid[], $5::uuid[], $6::text[], $7::int[], $8::text[], $9::text[], $10::text[], $11::bool[],
        $12::text[]
    ) as l (id, run, path, attempt, function, reason, detail, held, tenant)
    join done d on d.id = l.run
),
letters as (
    insert into dead_letters (id, tenant, service, reason, detail, run, path, attempt, function, body)
    select
        l.id, l.tenant, 'orchestrator', l.reason, l.detail, l.run, l.path, l.attempt,
        coalesce(nullif(l.function, ''), t.function), t.message
    from letters_in l left join tasks t on t.run = l.run and t.path = l.path
    on conflict (run, path, attempt, reason) do nothing
    returning run, path, attempt, reason
),
held as (
    update tasks t set state = 'uncertain' from letters_in l
    where l.held and t.run = l.run and t.path = l.path and t.attempt = l.attempt
),
closed as (
    update dead_letters o
    set resolved_at = now(), resolved_by = c.actor, resolution = c.decision
    from unnest($13::uuid[], $14::text[], $15::text[], $16::text[]) as c (run, path, actor, decision)
    join done d on d.id = c.run
    where o.run = c.run and o.path = c.path and o.reason = 'uncertain' and o.resolved_at is null
),
recorded as (
    insert into recorded_inputs (run, revision, events)
    select r.run, r.revision, r.events
    from unnest($17::uuid[], $18::int[], $19::bytea[]) as r (run, revision, events)
    join done d on d.id = r.run
    on conflict (run, revision) do nothing
)
select run, path, attempt, reason from letters

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
