-- Open tasks that may have been lost on the way, heartbeats, claims.

-- name: overdue_functions
-- Which functions have tasks that are overdue for a look, from one tenant and function to the next in
-- tasks_overdue. A task with a recent heartbeat is at work.
with recursive sent as (
    (
        select tenant, function from tasks
        where sent_at is not null and state in ('queued', 'started')
        order by tenant, function limit 1
    )
    union all
    select n.tenant, n.function
    from sent s
    cross join lateral (
        select t.tenant, t.function from tasks t
        where t.sent_at is not null and t.state in ('queued', 'started')
            and (t.tenant, t.function) > (s.tenant, s.function)
        order by t.tenant, t.function limit 1
    ) as n
)
select s.tenant, s.function
from sent s
where exists (
    select from tasks t
    where t.tenant = s.tenant and t.function = s.function and t.sweep_at <= now()
        and t.sent_at is not null and t.state in ('queued', 'started')
        and (t.heartbeat_at is null or t.heartbeat_at < now() - interval '10 seconds')
)
limit 1000

-- name: claim_tasks
-- Overdue tasks of one function that were sent last before $4 (null: any), to be sent again.
with due as (
    select run, path from tasks
    where sweep_at <= now() and state in ('queued', 'started') and tenant = $2 and function = $3
        and sent_at is not null and (heartbeat_at is null or heartbeat_at < now() - interval '10 seconds')
        and ($4::timestamptz is null or sent_at < $4)
    order by sweep_at limit $1
    for update skip locked
)
update tasks t
set sweep_at = now() + make_interval(secs => least(60, power(2, least(t.sweeps + 1, 5) + 1))),
    sweeps = least(t.sweeps + 1, 1000), sent_at = now()
from due
where t.run = due.run and t.path = due.path
returning t.run, t.path, t.attempt, t.sweeps, t.token, t.effect_key, t.message

-- name: postpone_tasks
-- Overdue tasks of a function whose messages are still under way: look again later.
update tasks set sweep_at = now() + interval '2 seconds'
where (run, path) in (
    select run, path from tasks
    where sweep_at <= now() and state in ('queued', 'started') and tenant = $2 and function = $3
        and sent_at is not null
    order by sweep_at limit $1
    for update skip locked
)

-- name: expose_tasks
-- The stream was lost: every task that was sent is due for a look now.
update tasks set sweep_at = now(), sweeps = 0
where state in ('queued', 'started') and sent_at is not null
    and (heartbeat_at is null or heartbeat_at < now() - interval '10 seconds')

-- name: beat
update tasks t set heartbeat_at = now()
from unnest($1::uuid[], $2::text[], $3::int[]) as b (run, path, attempt)
where t.run = b.run and t.path = b.path and t.attempt = b.attempt

-- name: claim_once
-- Start tasks whose effect may happen only once. $4: who asks, $5: the families of functions whose owner is `_`.
-- A task whose effect was begun by an earlier attempt and given up stays queued, unless the effect is to be
-- repeated ($7, effect keys); so does every task of a run of before a restore of the database, because nobody knows
-- what was done since the restore point.
with claimed as (
    update tasks t set state = 'started', claimed_by = c.worker, heartbeat_at = now()
    from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $6::text[])
        as c (run, path, attempt, owner, worker)
    where t.run = c.run and t.path = c.path and t.attempt = c.attempt and t.state = 'queued'
        and c.owner = case when split_part(t.function, '.', 1) = any($5::text[]) then '_' else t.tenant end
        and (
            t.effect_key = any($7::text[])
            or not (
                exists (select from started_effects e where e.run = t.run and e.effect_key = t.effect_key)
                or exists (
                    select from restores s join runs r on r.id = t.run
                    where coalesce(r.root, r.id) < s.before or r.fire_at < s.at
                )
            )
        )
    returning t.run, t.effect_key
)
delete from started_effects e using claimed c where e.run = c.run and e.effect_key = c.effect_key

-- name: holders
-- Who holds the attempts that are still wanted; an uncertain one is held by nobody. $4 and $5 as above. One
-- that is still queued after `claim_once` was refused; its message says whether it is to be repeated.
select
    t.run, t.path, t.attempt, c.owner, case when t.state = 'started' then t.claimed_by end as claimed_by,
    t.effect_key, case when t.state = 'queued' then t.message end as refused
from unnest($1::uuid[], $2::text[], $3::int[], $4::text[]) as c (run, path, attempt, owner)
join tasks t on t.run = c.run and t.path = c.path and t.attempt = c.attempt
where c.owner = case when split_part(t.function, '.', 1) = any($5::text[]) then '_' else t.tenant end

-- name: held_functions
-- Functions of which tasks are held back, from the ends of tasks_held alone.
with recursive held as (
    (select function from tasks where sent_at is null order by function limit 1)
    union all
    select (
        select t.function from tasks t where t.sent_at is null and t.function > h.function
        order by t.function limit 1
    )
    from held h where h.function is not null
)
select function from held where function is not null

-- name: held_tenants
-- Whose tasks of a function are held back, with at most $2 of each.
with recursive held as (
    (select tenant from tasks where sent_at is null and function = $1 order by tenant limit 1)
    union all
    select (
        select t.tenant from tasks t where t.sent_at is null and t.function = $1 and t.tenant > h.tenant
        order by t.tenant limit 1
    )
    from held h where h.tenant is not null
)
select h.tenant, (
    select count(*) from (
        select from tasks t where t.sent_at is null and t.function = $1 and t.tenant = h.tenant limit $2
    ) as few
) as waiting
from held h where h.tenant is not null

-- name: lock_releases
-- One process at a time decides about a function. The lock is that of the transaction; a process that falls silent
-- while it holds the lock loses its connection.
select
    pg_try_advisory_xact_lock(hashtextextended('visapi.releases/' || $1::text, 0)) as alone,
    set_config('idle_in_transaction_session_timeout', '5s', true)

-- name: sent_tenants
-- The tasks of a shared function that were sent and have no result yet, by tenant, from tasks_sent alone: the
-- list of families repeats that index's predicate word for word, so that the planner can prove it.
select tenant, count(*) as sent from tasks
where function = $1 and sent_at is not null and state <> 'uncertain'
    and split_part(function, '.', 1) in ('http', 'notify', 'openapi', 'pdf')
group by tenant

-- name: open_tasks
-- Tasks of shared functions without a result, held back and sent, at most $2 of each; from the two indexes alone, of which
-- the list of families repeats the predicate.
select f.function, (
    select count(*) from (
        select from tasks t where t.sent_at is null and t.function = f.function limit $2
    ) as held
) + (
    select count(*) from (
        select from tasks t
        where t.function = f.function and t.sent_at is not null and t.state <> 'uncertain'
            and split_part(t.function, '.', 1) in ('http', 'notify', 'openapi', 'pdf')
        limit $2
    ) as sent
) as open
from unnest($1::text[]) as f (function)

-- name: release_tasks
-- So many of each tenant's tasks of a function as are allotted, in their order.
with due as (
    select d.run, d.path
    from unnest($2::text[], $3::int[]) as a (tenant, number)
    cross join lateral (
        select t.run, t.path from tasks t
        where t.sent_at is null and t.function = $1 and t.tenant = a.tenant
        order by t.ready_at limit a.number
        for update skip locked
    ) as d
)
update tasks t set sent_at = now(), sweep_at = now() + interval '2 seconds'
from due
where t.run = due.run and t.path = due.path
returning t.run, t.path, t.attempt, t.sweeps, t.token, t.effect_key, t.message
