-- Webhooks to endpoints: found, claimed, ended. The database's clock decides what is due.

-- name: due_endpoints
-- Endpoints with due messages, after ($1, $2): one probe of endpoint_messages_pending for each endpoint for which messages
-- wait (a loose index scan), however many there are, and one for what is due of them. $3 endpoints are looked at. Of an
-- ordered endpoint nothing is due while another message may be under way: one whose lease of $4 seconds has not ended.
with recursive waiting as (
    (
        select tenant, endpoint, 1 as place from endpoint_messages
        where state = 'pending' and (tenant, endpoint) > ($1::text, $2::uuid)
        order by tenant, endpoint limit 1
    )
    union all
    select n.tenant, n.endpoint, w.place + 1
    from waiting w
    cross join lateral (
        select tenant, endpoint from endpoint_messages
        where state = 'pending' and (tenant, endpoint) > (w.tenant, w.endpoint)
        order by tenant, endpoint limit 1
    ) as n
    where w.place < $3
)
select w.tenant, w.endpoint, coalesce(e.ordered, false) as ordered, e.failing_since is not null as failing,
    e.id is not null and case when e.ordered then (
        select m.next_at from endpoint_messages m
        where m.tenant = w.tenant and m.endpoint = w.endpoint and m.state = 'pending' and not exists (
            select from endpoint_messages s
            where s.tenant = w.tenant and s.endpoint = w.endpoint and s.state = 'pending'
                and s.lease_owner is not null and s.next_at > now() and s.next_at <= now() + make_interval(secs => $4)
        )
        order by m.seq limit 1
    ) else (
        select m.next_at from endpoint_messages m
        where m.tenant = w.tenant and m.endpoint = w.endpoint and m.state = 'pending' order by m.next_at limit 1
    ) end <= now() as due
from waiting w
left join endpoints e on e.tenant = w.tenant and e.id = w.endpoint and e.enabled and e.deleted_at is null
order by w.tenant, w.endpoint

-- name: hold_ordered
-- Of these ordered endpoints, those for which nobody else claims now: what is claimed next sees what others have claimed.
select tenant, endpoint
from unnest($1::text[], $2::uuid[]) as o (tenant, endpoint)
where pg_try_advisory_xact_lock(hashtextextended('visapi.ordered/' || o.tenant || '/' || o.endpoint, 0))

-- name: claim
-- $1 to $4: tenants, endpoints, how many messages of each, and whether only the first that waits. $5: all of them have
-- at most so many bytes, but one that is larger comes alone; the first of each tenant comes before any tenant's next, and
-- a tenant that was given $8 bytes is given nothing more. A claim is an attempt, whoever hears of its end.
with places as (
    select * from unnest($1::text[], $2::uuid[], $3::bigint[], $4::boolean[]) as p (tenant, endpoint, most, ordered)
), due as materialized (
    select m.* from places p cross join lateral (
        select tenant, endpoint, seq, size, next_at from endpoint_messages
        where tenant = p.tenant and endpoint = p.endpoint and state = 'pending' and next_at <= now() and not p.ordered
        order by next_at limit p.most
        for update skip locked
    ) as m
), first as materialized (
    select m.* from places p cross join lateral (
        select tenant, endpoint, seq, size, next_at from endpoint_messages
        where tenant = p.tenant and endpoint = p.endpoint and p.ordered and state = 'pending' and next_at <= now()
            and seq = (
                select f.seq from endpoint_messages f
                where f.tenant = p.tenant and f.endpoint = p.endpoint and f.state = 'pending'
                order by f.seq limit 1
            )
            -- After a replay an older message may come first while a later one is under way.
            and not exists (
                select from endpoint_messages s
                where s.tenant = p.tenant and s.endpoint = p.endpoint and s.state = 'pending'
                    and s.lease_owner is not null and s.next_at > now() and s.next_at <= now() + make_interval(secs => $6)
            )
        for update skip locked
    ) as m
), counted as (
    select a.*,
        sum(a.size) over (order by a.of_tenant, a.next_at, a.endpoint, a.seq rows unbounded preceding) - a.size as before
    from (
        select b.*, sum(b.size) over (
            partition by b.tenant order by b.next_at, b.endpoint, b.seq rows unbounded preceding
        ) - b.size as of_tenant
        from (select * from due union all select * from first) as b
    ) as a
    where a.of_tenant < $8
), claimed as (
    update endpoint_messages m
    set attempts = m.attempts + 1, attempts_left = greatest(m.attempts_left - 1, 0),
        next_at = now() + make_interval(secs => $6), lease_owner = $7
    from counted c
    where c.before < $5 and m.tenant = c.tenant and m.endpoint = c.endpoint and m.seq = c.seq
    returning m.tenant, m.endpoint, m.id, m.attempts, m.attempts_left, m.type, m.news, m.size
)
select c.tenant, c.endpoint, c.id, c.attempts, c.attempts_left, c.type, c.size, n.at, n.data, e.url
from claimed c
join endpoint_news n on n.tenant = c.tenant and n.seq = c.news
join endpoints e on e.tenant = c.tenant and e.id = c.endpoint

-- name: secrets
select s.tenant, s.endpoint, s.id, s.sealed, s.sealed_with
from unnest($1::text[], $2::uuid[]) as e (tenant, endpoint)
join endpoint_secrets s on s.tenant = e.tenant and s.endpoint = e.endpoint
where s.expires_at is null or s.expires_at > now()
order by s.id desc

-- name: finish
-- A message that was claimed or replayed since stays as it is; its attempt is logged all the same. One that is given up
-- becomes a dead letter ($12 its id, $14 its detail); the new ones are returned.
with ended as (
    select * from unnest($1::text[], $2::uuid[], $3::integer[], $4::text[], $5::float8[], $6::integer[], $7::smallint[],
        $8::text[], $9::bytea[], $11::integer[])
        as e (tenant, message, number, state, again_s, took_ms, status, error, response, given_back)
), settled as (
    update endpoint_messages m
    set state = e.state, next_at = now() + make_interval(secs => e.again_s), lease_owner = null,
        attempts_left = least(m.attempts_left + e.given_back, 10),
        ended_at = case when e.state = 'pending' then null else now() end
    from ended e
    where m.id = e.message and m.state = 'pending' and m.attempts = e.number and m.lease_owner = $10
    returning m.tenant, m.endpoint, m.id, m.type, m.news, m.state, m.attempts
), logged as (
    insert into endpoint_attempts (message, number, tenant, at, took_ms, status, error, response)
    select message, number, tenant, now() - make_interval(secs => took_ms / 1000.0), took_ms, status, error, response
    from ended
    on conflict do nothing
), given_up as (
    -- A ping tells of nothing, and is no loss. A tenant has at most $13 open dead letters of webhooks.
    select s.*, e.letter, e.detail
    from settled s
    join (
        select * from unnest($2::uuid[], $12::uuid[], $14::text[]) as e (message, letter, detail)
    ) as e on e.message = s.id
    where s.state = 'failed' and s.type <> 'endpoint.ping'
), crowded as (
    select t.tenant from (select distinct tenant from given_up) as t
    where (
        select count(*) from (
            select from dead_letters l
            where l.tenant = t.tenant and case when l.kind is null then 'task' else l.kind end = 'webhook'
                and l.resolved_at is null
            limit $13
        ) as few
    ) >= $13
)
insert into dead_letters (id, tenant, service, reason, detail, kind, item, workflow, digest)
select g.letter, g.tenant, 'notifier', 'webhook-failed', g.detail, 'webhook', array[g.endpoint::text, g.id::text],
    (
        select n.about from endpoint_news n
        where n.tenant = g.tenant and n.seq = g.news and (n.type like 'run.%' or n.type like 'task.%')
    ),
    sha256(convert_to('webhook/' || g.id::text, 'UTF8'))
from given_up g
where g.tenant not in (select tenant from crowded)
on conflict (digest) where resolved_at is null do nothing
returning id, tenant

-- name: note_health
-- Of each endpoint its last outcome: $3 delivered, $4 wants nothing any more. One to which nothing was delivered since
-- $5 is disabled too. Rows that need no change are not touched; the others are locked in one order.
with heard as (
    select * from unnest($1::text[], $2::uuid[], $3::boolean[], $4::boolean[]) as h (tenant, endpoint, delivered, gone)
), changing as materialized (
    select e.tenant, e.id, h.delivered, h.gone,
        not h.delivered and (h.gone or e.failing_since < now() - make_interval(secs => $5)) as over
    from endpoints e join heard h on h.tenant = e.tenant and h.endpoint = e.id
    where e.enabled and (
        h.gone or h.delivered = (e.failing_since is not null) or e.failing_since < now() - make_interval(secs => $5)
    )
    order by e.tenant, e.id
    for update of e
)
update endpoints e
set failing_since = case when c.delivered then null else coalesce(e.failing_since, now()) end,
    enabled = not coalesce(c.over, false),
    disabled_reason = case when c.over then case when c.gone then 'gone' else 'failing' end end,
    disabled_at = case when c.over then now() end
from changing c
where e.tenant = c.tenant and e.id = c.id
