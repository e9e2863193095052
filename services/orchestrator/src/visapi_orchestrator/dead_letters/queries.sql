-- Items that were set aside: stored as a dead letter and retired in one transaction, put back on request.

-- name: bury
-- No row when the same dead letter exists already.
insert into dead_letters (id, tenant, service, reason, detail, run, kind, item, headers, body, digest, workflow)
values ($1, $2, 'orchestrator', $3, $4, $5, $6, $7, $8, $9, $10, (
    select namespace || '/' || name from runs where id = $5
    union all
    select namespace || '/' || name from schedules where id = case when $6::text = 'schedule' then ($7::text[])[1]::uuid end
    limit 1
))
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
select id, kind, tenant, item, body, headers, run, edited_at from dead_letters
where resolution = 'replay' and replayed_at is null and kind is not null
order by resolved_at limit $1

-- name: lock_replays
-- A second process waits here, and then finds no dead letter to put back.
select id from dead_letters
where id = any($1::uuid[]) and resolution = 'replay' and replayed_at is null
order by id for update

-- name: replayed
with put_back as (
    update dead_letters set replayed_at = now() where id = any($1::uuid[]) returning bulk
)
update dead_letter_replays r set replayed = r.replayed + b.number
from (select bulk, count(*) as number from put_back where bulk is not null group by bulk) as b
where r.id = b.bulk

-- name: reopen
-- The replay failed: the dead letter is open again, unless an equal one was stored meanwhile; then the
-- newer one stands for both, and this one is closed.
with counted as (
    update dead_letter_replays r set failed = r.failed + 1
    from dead_letters l
    where l.id = $1 and l.resolution = 'replay' and l.replayed_at is null and r.id = l.bulk
)
update dead_letters l
set
    bulk = null,
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

-- name: due_many
select id from dead_letter_replays where state = 'running' and next_at <= now() order by next_at limit $1

-- name: hold_many
-- No row while another process takes the step.
select id, tenant, kind, reason, function, workflow, created_after, created_before, rate_per_s, last, created_by
from dead_letter_replays
where id = $1 and state = 'running' and next_at <= now()
for update skip locked

-- name: ask_for_many
-- The next $12 open letters of a tenant, after $2 and below the id of the replay. The last of them, and their number.
with next as (
    select id from dead_letters
    where tenant = $1 and resolved_at is null and id < $3 and ($2::uuid is null or id > $2) and kind = any($4::text[])
        and ($5::text is null or kind = $5) and ($6::text is null or reason = $6)
        and ($7::text is null or function = $7) and ($8::text is null or workflow = $8)
        and ($9::timestamptz is null or created_at >= $9) and ($10::timestamptz is null or created_at < $10)
    order by id limit $12
    for update
), asked as (
    update dead_letters l set resolved_at = now(), resolved_by = $11, resolution = 'replay', bulk = $3
    from next n where l.id = n.id
    returning l.id
)
select id from asked order by id desc

-- name: move_many_on
-- $2 letters were asked for, the last of them $3; the next step is a second later. Without any the replay is done.
update dead_letter_replays
set asked = asked + $2, last = coalesce($3, last), next_at = now() + interval '1 second',
    state = case when $2 = 0 then 'done' else state end,
    ended_at = case when $2 = 0 then now() end
where id = $1

-- name: sweep_many
delete from dead_letter_replays where ctid = any(array(
    select ctid from dead_letter_replays where created_at < now() - interval '30 days' order by created_at limit $1
))

-- name: replay_event
-- The event may be deleted by now; the dead letter has all of it. $6: what the ids of events of test runs begin with. $7:
-- the event was edited, and counts instead of the row.
insert into events_in (tenant, source, id, type, body, test) values ($1, $2, $3, $4, $5, starts_with($3, $6))
on conflict (tenant, source, id) do update
set matched_at = null, body = case when $7 then excluded.body else events_in.body end

-- name: replay_emit
insert into events_in (tenant, source, id, type, body, matched_at, publish)
values ($1, $2, $3, $4, $5, now(), true)
on conflict (tenant, source, id) do update
set published_at = null, publish = true, body = case when $6 then excluded.body else events_in.body end

-- name: replay_webhook
-- Ten attempts more, beginning now. False where the webhook is gone, or was tried too often. One that waits or was
-- delivered meanwhile stays as it is.
with again as (
    update endpoint_messages
    set state = 'pending', attempts_left = 10, ended_at = null, lease_owner = null, next_at = now()
    where tenant = $1 and endpoint = $2 and id = $3 and state = 'failed' and attempts < $4
)
select exists (
    select from endpoint_messages m
    join endpoints e on e.tenant = m.tenant and e.id = m.endpoint and e.deleted_at is null
    where m.tenant = $1 and m.endpoint = $2 and m.id = $3 and (m.state <> 'failed' or m.attempts < $4)
)

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
