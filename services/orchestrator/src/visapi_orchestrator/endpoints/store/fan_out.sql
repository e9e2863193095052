-- Who is sent what there is to know.

-- name: tenants
-- Those with waiting news, after $1: one probe of endpoint_news_waiting for each (a loose index scan), however much waits.
with recursive found as (
    (select tenant, 1 as place from endpoint_news where waiting and tenant > $1 order by tenant limit 1)
    union all
    select n.tenant, f.place + 1
    from found f
    cross join lateral (
        select tenant from endpoint_news where waiting and tenant > f.tenant order by tenant limit 1
    ) as n
    where f.place < $2
)
select tenant from found order by tenant

-- name: hold
-- One replica at a time works for a tenant, so that messages come in the order of the news.
select pg_try_advisory_xact_lock(hashtextextended('visapi.endpoints/' || $1, 0))

-- name: subscriptions
select id, types, workflows, sources, created_at from endpoints
where tenant = $1 and enabled and deleted_at is null

-- name: waiting
select seq, type, about, at, octet_length(data) as size from endpoint_news
where tenant = $1 and waiting
order by seq limit $2

-- name: write_messages
with written as (
    insert into endpoint_messages (tenant, endpoint, news, type, size)
    select $1, m.endpoint, m.news, m.type, m.size
    from unnest($2::uuid[], $3::bigint[], $4::text[], $5::integer[])
        with ordinality as m (endpoint, news, type, size, place)
    order by m.place
), kept as (
    update endpoint_news set waiting = false where tenant = $1 and seq = any($3::bigint[])
)
-- What nobody wants is not kept.
delete from endpoint_news where tenant = $1 and seq = any($6::bigint[])

-- name: drop_old_messages
-- Of those that ended all but the newest $3.
with dropped as (
    delete from endpoint_messages
    where tenant = $1 and endpoint = $2 and state <> 'pending' and seq <= (
        select seq from endpoint_messages
        where tenant = $1 and endpoint = $2 and state <> 'pending'
        order by seq desc offset $3 limit 1
    )
    returning id
)
delete from endpoint_attempts where message in (select id from dropped)

-- name: disable_full
-- Where more than $3 messages wait.
update endpoints set enabled = false, disabled_reason = 'full', disabled_at = now(), noticed_at = null
where tenant = $1 and id = $2 and enabled and (
    select count(*) from (
        select from endpoint_messages where tenant = $1 and endpoint = $2 and state = 'pending' limit $3::bigint + 1
    ) as few
) > $3

-- name: announce
-- Endpoints that were disabled by themselves, as events of their tenants.
with noticed as (
    update endpoints set noticed_at = now()
    where (tenant, id) in (
        select tenant, id from endpoints where disabled_at is not null and noticed_at is null
        order by disabled_at limit 100
        for update skip locked
    )
    returning tenant, id, name, disabled_reason, disabled_at
), events as (
    select *, '/v1/endpoints/' || id as source, id || ':' || extract(epoch from disabled_at) as event,
        to_char(disabled_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time
    from noticed
)
insert into events_in (tenant, source, id, type, body, publish)
select tenant, source, event, $1, convert_to(json_build_object(
    'specversion', '1.0', 'id', event, 'source', source, 'type', $1::text, 'subject', name, 'time', time,
    'datacontenttype', 'application/json',
    'data', json_build_object('endpoint', id, 'name', name, 'reason', disabled_reason, 'disabled_at', time)
)::text, 'UTF8'), true
from events
on conflict do nothing
