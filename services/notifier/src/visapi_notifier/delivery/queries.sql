-- The deliveries ledger. Statements take many deliveries at once; the database's clock
-- decides about leases. Every effect key appears at most once per statement.

-- name: start
-- $9: repeatable keys. A failed delivery may start again in a newer attempt; a lapsed or uncertain
-- one only when repeating is safe or was asked for. An owner that asks again has sent nothing yet: the
-- answer to its start was lost, or its lease was. After a restore of the database nobody knows what runs of before
-- have done since the restore point (`doubtful`): only what failed after the restore is known not to have happened.
with asked as (
    select
        a.*,
        case
            when a.effect_key = any($9::text []) or not exists (select from restores) then false
            else exists (
                select from restores s
                join runs r on r.id = a.run
                where coalesce(r.root, r.id) < s.before or r.fire_at < s.at
            )
        end as doubtful
    from unnest($1::text [], $2::text [], $3::uuid [], $4::text [], $5::text [], $6::smallint [], $7::text [])
        as a (effect_key, tenant, run, path, function, attempt, owner)
),

started as (
    insert into deliveries as d (
        effect_key, tenant, run, path, function, state, lease_owner, lease_until, attempts
    )
    select
        effect_key, tenant, run, path, function, case when doubtful then 'uncertain' else 'started' end, owner,
        now() + $8::interval, attempt
    from asked
    order by effect_key
    on conflict (effect_key) do update
        set
            state = case
                when d.state = 'failed' and d.updated_at > (select max(at) from restores) then 'started'
                else excluded.state
            end,
            lease_owner = excluded.lease_owner,
            lease_until = excluded.lease_until,
            attempts = greatest(d.attempts, excluded.attempts),
            outcome = null,
            updated_at = now()
        where
            (d.state = 'failed' and d.attempts < excluded.attempts)
            or (d.state = 'started' and d.lease_owner = excluded.lease_owner)
            or (
                d.effect_key = any($9::text [])
                and (d.state = 'uncertain' or (d.state = 'started' and d.lease_until < now()))
            )
    returning d.effect_key, d.state
),

lapsed as (
    update deliveries d
    set state = 'uncertain', updated_at = now()
    from asked a
    where
        d.effect_key = a.effect_key
        and d.state = 'started'
        and d.lease_until < now()
        and d.lease_owner <> a.owner
        and not a.effect_key = any($9::text [])
    returning d.effect_key
)

select
    a.effect_key,
    coalesce(s.state = 'started', false) as granted,
    l.effect_key is not null or coalesce(s.state = 'uncertain', false) as lapsed,
    d.state,
    d.lease_owner = a.owner as ours,
    d.outcome,
    greatest(0, extract(epoch from d.lease_until - now()))::float8 as lease_s
from asked a
left join started s on s.effect_key = a.effect_key
left join lapsed l on l.effect_key = a.effect_key
left join deliveries d on d.effect_key = a.effect_key;

-- name: known
-- What `start` would answer, without a start: for tasks that fail before. $5: whether repeating is safe.
-- $6: whether the request, which cannot be read, decides about that, or has no effect. Such a request without a row may
-- be a read. A request with a row is none: it counts as not repeatable.
with asked as (
    select
        a.*,
        not (a.repeatable or a.varies) and exists (
            select from restores s
            join runs r on r.id = a.run
            where coalesce(r.root, r.id) < s.before or r.fire_at < s.at
        ) as doubtful
    from unnest($1::text [], $2::uuid [], $3::smallint [], $4::text [], $5::boolean [], $6::boolean [])
        as a (effect_key, run, attempt, owner, repeatable, varies)
),

found as (
    select
        a.*,
        d.state,
        d.outcome,
        d.lease_owner = a.owner as ours,
        d.state = 'started' and d.lease_until < now() and d.lease_owner <> a.owner as over,
        extract(epoch from d.lease_until - now()) as left_s,
        d.state is null
        or (d.state = 'failed' and d.attempts < a.attempt)
        or (d.state = 'started' and d.lease_owner = a.owner)
        or (a.repeatable and (d.state = 'uncertain' or (d.state = 'started' and d.lease_until < now()))) as startable,
        a.doubtful
        and not coalesce(d.state = 'failed' and d.updated_at > (select max(at) from restores), false) as unsure
    from asked a
    left join deliveries d on d.effect_key = a.effect_key
)

select
    effect_key,
    state,
    outcome,
    ours,
    greatest(0, left_s)::float8 as lease_s,
    coalesce(startable and not unsure, false) as granted,
    coalesce((startable and unsure) or (over and not repeatable), false) as lapsed
from found;

-- name: finish
-- What was sent counts as used, once: nothing leaves the state `sent`. A run that has ended meanwhile has no workflow
-- here.
with finished as (
    update deliveries d
    set state = a.state, outcome = a.outcome, lease_until = null, updated_at = now()
    from unnest($1::text [], $2::text [], $3::text [], $4::bytea []) as a (effect_key, owner, state, outcome)
    where d.effect_key = a.effect_key and d.lease_owner = a.owner and d.state in ('started', 'uncertain')
    returning d.tenant, d.run, d.state
)

insert into usage_deltas (tenant, namespace, name, deliveries)
select f.tenant, coalesce(r.namespace, ''), coalesce(r.name, ''), count(*)
from finished f
left join runs r on r.id = f.run
where f.state = 'sent'
group by 1, 2, 3;

-- name: give_back
-- Nothing was sent under this start: an earlier attempt failed, and this attempt may start again.
update deliveries
set state = 'failed', attempts = attempts - 1, outcome = $3, lease_until = null, updated_at = now()
where effect_key = $1 and lease_owner = $2 and state = 'started';

-- name: renew
update deliveries d
set lease_until = now() + $3::interval
from unnest($1::text [], $2::text []) as a (effect_key, owner)
where d.effect_key = a.effect_key and d.lease_owner = a.owner and d.state = 'started'
returning d.effect_key;

-- name: forget
-- Ended deliveries older than any run that could still ask; $2 of them at once, the oldest first. What began and
-- whose end nobody knows is kept for a year at least: somebody may still decide about it.
delete from deliveries
where
    effect_key in (
        select effect_key from deliveries
        where
            created_at < now() - $1::interval
            and updated_at < now() - $1::interval
            and (state in ('sent', 'failed') or updated_at < now() - greatest($1::interval, interval '365 days'))
        order by created_at limit $2
        for update skip locked
    );
