-- Schedules that are due, decided on by the database's clock, each under a lock until it is decided.

-- name: claim_schedules
-- Of a schedule that follows its runs, `ended` is when the last one ended: null while it runs; for one that
-- retention has dropped long ago, the fire that started it. `full`: the tenant has as many open runs as it may.
-- Schedules of a disabled tenant wait until it is enabled; what they missed is then up to their catch-up policies.
select
    s.id, s.tenant, s.namespace, s.name, s.version, s.program, s.spec, s.anchor, s.last_fire, s.last_run,
    s.buffered, clock_timestamp() as now,
    (select count(*) from runs r where r.schedule = s.id) as live,
    case when position('"after_ms"'::bytea in s.spec) > 0 and s.last_run is not null
        and not exists (select from runs r where r.id = s.last_run)
    then coalesce((
        select d.ended_at from runs_done d
        where d.retention = any(array(select name from retention_classes)) and d.id = s.last_run
    ), s.last_fire) end as ended,
    coalesce((select o.open >= o.open_max from open_runs o where o.tenant = s.tenant), false) as full
from schedules s
where s.next_at <= now() and not s.paused and s.quarantined_at is null
    and not exists (select from tenants t where t.id = s.tenant and t.disabled_at is not null)
order by s.next_at limit $1
for update of s skip locked

-- name: next_schedule
select extract(epoch from (
    select s.next_at from schedules s
    where not s.paused and s.quarantined_at is null
        and not exists (select from tenants t where t.id = s.tenant and t.disabled_at is not null)
    order by s.next_at limit 1
) - now())::float8

-- name: cancel_live
-- Before the next run is there.
insert into inbox (run, key, tenant, kind, body)
select r.id, 'schedule:' || c.key, r.tenant, 'cancel',
    convert_to('{"actor":"schedule","reason":"the next run of its schedule is due","v":1}', 'utf8')
from unnest($1::uuid[], $2::text[]) as c (schedule, key) join runs r on r.schedule = c.schedule
on conflict do nothing
returning run

-- name: fire
-- Everything that was decided about a batch of schedules: $1 to $5 fires with their outcome and run (null for
-- those that start nothing), $6 to $10 the schedules as they are now, $11 their inputs. A fire is decided once:
-- a run is inserted only with its row, in the order of the fires.
with decided as (
    insert into schedule_fires (schedule, fire_at, tenant, outcome, run)
    select f.* from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::uuid[])
        as f (schedule, fire_at, tenant, outcome, run)
    on conflict do nothing
    returning schedule, fire_at, outcome, run
), fresh as (
    select schedule, fire_at, run from decided where outcome = 'started'
), last as (
    select distinct on (schedule) schedule, run from fresh order by schedule, fire_at desc
), moved as (
    update schedules s
    set last_fire = m.last_fire, last_run = coalesce(l.run, s.last_run), buffered = m.buffered,
        next_at = m.next_at, next_fire = m.next_fire
    from unnest($6::uuid[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
        as m (id, last_fire, buffered, next_at, next_fire)
    left join last l on l.schedule = m.id
    where s.id = m.id
), started as (
insert into runs (
    id, tenant, namespace, name, version, program, partition, retention, input, started_by, schedule, fire_at
)
select
    f.run, s.tenant, s.namespace, s.name, s.version, s.program, get_byte(uuid_send(f.run), 15) & 63,
    coalesce(p.class, 'standard'), i.input, 'schedule', f.schedule, f.fire_at
from fresh f
join unnest($6::uuid[], $11::bytea[]) as i (schedule, input) on i.schedule = f.schedule
join schedules s on s.id = f.schedule
left join retention_policies p on p.tenant = s.tenant and p.namespace = s.namespace
order by f.schedule, f.fire_at
on conflict do nothing
returning id, tenant, namespace, name
), counted as (
    insert into usage_deltas (tenant, namespace, name, accepted)
    select tenant, namespace, name, count(*) from started group by tenant, namespace, name
)
select id from started

-- name: sweep_fires
delete from schedule_fires where ctid in (
    select ctid from schedule_fires where decided_at < now() - interval '90 days' limit $1
)
