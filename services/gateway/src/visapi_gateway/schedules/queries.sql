-- Schedules: written at deployment, paused, backfilled. The orchestrator fires them.

-- name: present_schedule
select case
    when exists (select from schedules where tenant = $1 and namespace = $2 and name = $3) then 'times'
    when exists (select from schedule_listeners where tenant = $1 and namespace = $2 and name = $3) then 'events'
end

-- name: lock_workflow
-- Of deployments at the same time the second sees the version of the first, so the schedule of the highest stays.
select pg_advisory_xact_lock(hashtextextended('visapi.workflow/' || $1::text || '/' || $2::text || '/' || $3::text, 0))

-- name: lock_listeners
-- From here until this transaction ends no event of the tenant is matched (orchestrator, events/store/listeners.sql). A
-- gateway that falls silent while it holds the lock loses its connection.
select
    pg_advisory_xact_lock(hashtextextended('visapi.listeners/' || $1::text, 0)),
    set_config('idle_in_transaction_session_timeout', '5s', true)

-- name: put_schedule
insert into schedules (id, tenant, namespace, name, version, program, spec, paused)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (tenant, namespace, name) do update
set version = excluded.version, program = excluded.program, spec = excluded.spec, anchor = now(),
    last_fire = now(), next_at = now(), next_fire = null, buffered = null,
    paused = schedules.paused or excluded.paused, quarantined_at = null

-- name: remove_schedule
delete from schedules where tenant = $1 and namespace = $2 and name = $3

-- name: stop_listener
with old as (
    delete from schedule_listeners where tenant = $1 and namespace = $2 and name = $3
    returning tenant, run
)
insert into inbox (run, key, tenant, kind, body)
select o.run, 'schedule', o.tenant, 'cancel', convert_to('{"actor":"schedule","v":1}', 'utf8')
from old o join runs r on r.id = o.run
on conflict do nothing

-- name: put_listener
with listener as (
    insert into schedule_listeners (run, tenant, namespace, name, version) values ($1, $2, $3, $4, $5)
)
insert into runs (id, tenant, namespace, name, version, program, partition, input, started_by, quiet)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, true)

-- name: list_schedules
select id, namespace, name, version, spec, anchor, last_fire, last_run, buffered, paused, next_fire
from schedules
where tenant = $1 and ($2::text is null or (namespace, name) > ($2, $3))
order by namespace, name limit $4

-- name: one_schedule
select id, namespace, name, version, spec, anchor, last_fire, last_run, buffered, paused, next_fire
from schedules where tenant = $1 and namespace = $2 and name = $3

-- name: recent_fires
select fire_at, outcome, run, decided_at from schedule_fires
where schedule = $1 and tenant = $2 order by fire_at desc limit $3

-- name: pause_schedule
-- Resumed, it goes on from now: what it missed while it was paused was not to be.
update schedules set paused = $4, next_at = now(),
    last_fire = case when $4 then last_fire else now() end
where tenant = $1 and namespace = $2 and name = $3
returning id

-- name: backfill
-- Fires that were never decided on, each with its run; the others stay as they are.
with wanted as (
    select * from unnest($3::timestamptz[], $4::uuid[], $5::smallint[]) as w (fire_at, run, partition)
), fresh as (
    insert into schedule_fires (schedule, fire_at, tenant, outcome, run)
    select $1, w.fire_at, $2, 'backfilled', w.run from wanted w
    on conflict do nothing
    returning fire_at, run
), started as (
    insert into runs (
        id, tenant, namespace, name, version, program, partition, retention, input, started_by, schedule, fire_at
    )
    select
        f.run, s.tenant, s.namespace, s.name, s.version, s.program, w.partition, coalesce(p.class, 'standard'),
        $6, $7, s.id, f.fire_at
    from fresh f join wanted w using (fire_at) join schedules s on s.id = $1 and s.tenant = $2
    left join retention_policies p on p.tenant = s.tenant and p.namespace = s.namespace
    returning id, tenant, namespace, name
), counted as (
    insert into usage_deltas (tenant, namespace, name, accepted)
    select tenant, namespace, name, count(*) from started group by tenant, namespace, name
)
select id from started

-- name: known_fires
select fire_at from schedule_fires where schedule = $1 and tenant = $2 and fire_at = any($3::timestamptz[])
