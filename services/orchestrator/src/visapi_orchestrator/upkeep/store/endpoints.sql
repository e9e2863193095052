-- Webhooks to endpoints: deleted by age, and with an endpoint that was removed.

-- name: sweep_attempts
delete from endpoint_attempts where ctid = any(array(
    select ctid from endpoint_attempts where at < now() - make_interval(days => $1) order by at limit $2
))

-- name: sweep_messages
-- One that waits goes when nobody has tried it for $3 days since it was due, as those of an endpoint that is disabled.
delete from endpoint_messages where ctid = any(array(
    select ctid from endpoint_messages
    where created_at < now() - make_interval(days => $1)
        and (state <> 'pending' or next_at < now() - make_interval(days => $3))
    order by created_at limit $2
))

-- name: sweep_news
-- A day later than messages, which show it, and not before a message that waits.
delete from endpoint_news where ctid = any(array(
    select n.ctid from endpoint_news n
    where n.created_at < now() - make_interval(days => $1 + 1) and not exists (
        select from endpoint_messages m where m.tenant = n.tenant and m.news = n.seq and m.state = 'pending' offset 0
    )
    order by n.created_at limit $2
))

-- name: sweep_removed
-- Messages of endpoints that were removed.
delete from endpoint_messages where ctid = any(array(
    select m.ctid
    from (select tenant, id from endpoints where deleted_at is not null order by deleted_at limit 100) as e
    cross join lateral (
        select ctid from endpoint_messages where tenant = e.tenant and endpoint = e.id order by seq limit $1
    ) as m
    limit $1
))

-- name: drop_removed
-- Removed endpoints without messages; a minute later, so that transactions that found them have ended.
delete from endpoints e
where e.deleted_at < now() - interval '1 minute'
    and (select m.seq from endpoint_messages m where m.tenant = e.tenant and m.endpoint = e.id order by m.seq limit 1) is null
