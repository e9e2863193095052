-- What schedules have collected, when its listener has ended or it is too old.

-- name: remove_ended
-- The listener's row and its run are written by one transaction, so a run that is not there has ended.
with ended as (
    delete from schedule_listeners l
    where (l.tenant, l.namespace, l.name, l.run) in (
        select o.tenant, o.namespace, o.name, o.run from schedule_listeners o
        where not exists (select from runs r where r.id = o.run)
        limit $1
    )
    returning l.run, l.tenant, l.namespace, l.name
)
select e.run, e.tenant, e.namespace || '/' || e.name as workflow, d.status
from ended e
left join runs_done d on d.retention = any(array(select name from retention_classes)) and d.id = e.run

-- name: orphaned
-- From one listener to the next in the primary key.
with recursive held as (
    (select run from collections order by run limit 1)
    union all
    select n.run from held h
    cross join lateral (select c.run from collections c where c.run > h.run order by c.run limit 1) as n
)
select h.run from held h where not exists (select from runs r where r.id = h.run) limit 100

-- name: workflow_of
select tenant, namespace, name from collections where run = $1 limit 1

-- name: successor
-- The listener of the workflow's present version. `began`: it has read its input; until then nothing may change
-- its revision, and what was collected waits.
select r.id, r.revision > 0 as began
from schedule_listeners l join runs r on r.id = l.run
where l.tenant = $1 and l.namespace = $2 and l.name = $3

-- name: hold_listener
-- A transition of the listener that has read what is changed here is discarded, and made anew.
update runs set revision = revision + 1 where id = $1 and revision > 0 returning id

-- name: take_orphaned
-- At most $2, and of large ones only so many as have $3 bytes together, and one at least.
with old as materialized (
    select run, key, size from collections where run = $1 order by key limit $2 for update skip locked
), counted as (
    select run, key, sum(size) over (order by key) - size as before from old
)
delete from collections c using counted o
where c.run = o.run and c.key = o.key and o.before < $3
returning c.tenant, c.body

-- name: deliver
-- In the order in which they came; what the listener has in its inbox already, it gets once.
insert into inbox (run, key, tenant, kind, body, created_at, sweep_at)
select $1, e.key, $2, 'event', e.body, now() + e.n * interval '1 microsecond', now() + interval '2 seconds'
from unnest($3::text[], $4::bytea[]) with ordinality as e (key, body, n)
on conflict do nothing

-- name: overdue
select distinct run from (
    select run from collections where began_at < now() - make_interval(days => $1) order by began_at limit 1000
) as old

-- name: take_overdue
-- At most $3, and of large ones only so many as have $4 bytes together, and one at least.
with old as materialized (
    select run, key, size from collections
    where run = $1 and began_at < now() - make_interval(days => $2) order by key limit $3
), counted as (
    select run, key, sum(size) over (order by key) - size as before from old
)
delete from collections c using counted o
where c.run = o.run and c.key = o.key and o.before < $4
returning c.tenant, c.namespace, c.name, c.body
