-- What schedules have collected, when its listener has ended or it is too old.

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
delete from collections where (run, key) in (
    select run, key from collections where run = $1 order by key limit $2 for update skip locked
)
returning tenant, body

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
delete from collections where (run, key) in (
    select run, key from collections
    where run = $1 and began_at < now() - make_interval(days => $2) order by key limit $3
)
returning tenant, namespace, name, body
