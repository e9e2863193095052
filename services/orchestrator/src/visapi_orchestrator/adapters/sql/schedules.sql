-- Schedules that are due, decided on by the database's clock, each under a lock until it is decided.

-- name: claim_schedules
select
    s.id, s.tenant, s.namespace, s.name, s.version, s.program, s.spec, s.anchor, s.last_fire, s.last_run,
    s.buffered, clock_timestamp() as now,
    (select count(*) from runs r where r.schedule = s.id) as live
from schedules s
where s.next_at <= now() and not s.paused
order by s.next_at limit $1
for update skip locked

-- name: next_schedule
select extract(epoch from (select min(next_at) from schedules where not paused) - now())::float8

-- name: ended_at
-- When the run that a schedule follows ended; null while it runs, and for one that is long gone.
select ended_at from runs_done
where retention = any(array(select name from retention_classes)) and id = $1

-- name: is_live
select true from runs where id = $1

-- name: note_fires
-- Fires that start nothing.
insert into schedule_fires (schedule, fire_at, tenant, outcome)
select $1, f.fire_at, $2, $3 from unnest($4::timestamptz[]) as f (fire_at)
on conflict do nothing

-- name: start_run
-- A fire is decided once: the run is inserted only with its row.
with fresh as (
    insert into schedule_fires (schedule, fire_at, tenant, outcome, run) values ($1, $2, $3, 'started', $4)
    on conflict do nothing
    returning run
)
insert into runs (
    id, tenant, namespace, name, version, program, partition, retention, input, started_by, schedule, fire_at
)
select
    f.run, $3, $5, $6, $7, $8, get_byte(uuid_send(f.run), 15) & 63, coalesce(p.class, 'standard'),
    $9, 'schedule', $1, $2
from fresh f left join retention_policies p on p.tenant = $3 and p.namespace = $5
on conflict do nothing
returning id

-- name: cancel_live
insert into inbox (run, key, tenant, kind, body)
select r.id, 'schedule:' || $2, r.tenant, 'cancel',
    convert_to('{"actor":"schedule","reason":"the next run of its schedule is due","v":1}', 'utf8')
from runs r where r.schedule = $1
on conflict do nothing
returning run

-- name: move_on
update schedules
set last_fire = $2, last_run = coalesce($3, last_run), buffered = $4, next_at = $5, next_fire = $6
where id = $1

-- name: sweep_fires
delete from schedule_fires where ctid in (
    select ctid from schedule_fires where decided_at < now() - interval '90 days' limit $1
)
