-- Items that were set aside: stored as a dead letter and retired in one transaction, put back on request.

-- name: bury
-- No row when the same dead letter exists already.
insert into dead_letters (id, tenant, service, reason, detail, run, kind, item, headers, body, digest)
values ($1, $2, 'orchestrator', $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (digest) where resolved_at is null do nothing
returning id

-- name: bury_messages
-- Many messages at once: they have no row to retire. The digests of those that are new.
insert into dead_letters (id, tenant, service, reason, detail, kind, item, headers, body, digest)
select m.id, m.tenant, 'orchestrator', m.reason, m.detail, 'message', array[m.subject], m.headers, m.body, m.digest
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[])
    as m (id, tenant, reason, detail, subject, headers, body, digest)
on conflict (digest) where resolved_at is null do nothing
returning digest

-- name: retire_event
-- An event that cannot be matched counts as matched; its dead letter records that it was not.
update events_in set matched_at = now() where tenant = $1 and source = $2 and id = $3

-- name: retire_emit
update events_in set published_at = now() where tenant = $1 and source = $2 and id = $3

-- name: retire_schedule
update schedules set quarantined_at = now() where id = $1

-- name: retire_function
update functions set quarantined_at = now() where owner = $1 and name = $2 and version = $3

-- name: retire_timer
delete from timers where run = $1 and id = $2

-- name: retire_inbox
delete from inbox where run = $1 and key = $2

-- name: retire_run
-- Every row that would bring the run into a batch waits for a day, or until the replay.
with timers_later as (
    update timers set due_at = now() + interval '1 day' where run = $1 and due_at < now() + interval '1 day'
), inbox_later as (
    update inbox set sweep_at = now() + interval '1 day' where run = $1
)
update runs set sweep_at = now() + interval '1 day' where id = $1

-- name: to_replay
select id, kind, tenant, item, body, headers, run from dead_letters
where resolution = 'replay' and replayed_at is null and kind is not null
order by resolved_at limit $1

-- name: lock_replays
-- A second process waits here, and finds nothing to put back.
select id from dead_letters
where id = any($1::uuid[]) and resolution = 'replay' and replayed_at is null
order by id for update

-- name: replayed
update dead_letters set replayed_at = now() where id = any($1::uuid[])

-- name: reopen
-- The replay failed: the dead letter is open again, unless an equal one was stored meanwhile; then the
-- newer one stands for both, and this one is closed.
update dead_letters l
set
    resolved_at = case when o.again then l.resolved_at end,
    resolved_by = case when o.again then l.resolved_by end,
    resolution = case when o.again then 'set-aside-again' end,
    detail = $2
from (
    select exists (
        select from dead_letters a join dead_letters b using (digest)
        where a.id = $1 and b.id <> $1 and b.resolved_at is null
    ) as again
) as o
where l.id = $1 and l.resolution = 'replay' and l.replayed_at is null

-- name: replay_event
-- The event may be deleted by now; the dead letter has all of it. $6: what the ids of events of test runs begin with.
insert into events_in (tenant, source, id, type, body, test) values ($1, $2, $3, $4, $5, starts_with($3, $6))
on conflict (tenant, source, id) do update set matched_at = null

-- name: replay_emit
insert into events_in (tenant, source, id, type, body, matched_at, publish)
values ($1, $2, $3, $4, $5, now(), true)
on conflict (tenant, source, id) do update set published_at = null, publish = true

-- name: replay_schedule
update schedules set quarantined_at = null, next_at = now() where id = $1

-- name: replay_function
update functions set quarantined_at = null where owner = $1 and name = $2 and version = $3

-- name: replay_timer
insert into timers (run, id, fire_at, due_at) select r.id, $2, now(), now() from runs r where r.id = $1
on conflict do nothing

-- name: replay_inbox
insert into inbox (run, key, tenant, kind, body) select r.id, $2, r.tenant, $3, $4 from runs r where r.id = $1
on conflict do nothing

-- name: replay_run
with sooner as (
    update timers set due_at = now() where run = $1 and fire_at <= now()
), inbox_later as (
    update inbox set sweep_at = now(), sweeps = 0 where run = $1
)
update runs set sweep_at = now(), sweeps = 0 where id = $1

-- name: sweep_letters
-- Dead letters of items set aside 30 days ago, and those without a run that an earlier release
-- wrote without their kind. The others are deleted with their runs.
delete from dead_letters where ctid in (
    (
        select ctid from dead_letters where kind is not null and created_at < now() - interval '30 days'
        order by created_at limit $1
    )
    union all
    (
        select ctid from dead_letters
        where run is null and kind is null and created_at < now() - interval '30 days'
        order by created_at limit $1
    )
    limit $1
)
