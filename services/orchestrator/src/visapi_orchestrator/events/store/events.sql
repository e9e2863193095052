-- Events: taken in, matched against subscriptions, published.

-- name: take_in
-- From the stream, in its order: a microsecond apart. An event of an unknown or a disabled tenant is not taken;
-- answers which events of disabled tenants were not, without those that are there already (its runs emitted them).
with wanted as (
    select distinct on (u.tenant, u.source, u.id) u.*
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[]) with ordinality
        as u (tenant, source, id, type, body, n)
    order by u.tenant, u.source, u.id, u.n
), taken as (
    insert into events_in (tenant, source, id, type, body, received_at)
    select w.tenant, w.source, w.id, w.type, w.body, now() + w.n * interval '1 microsecond'
    from wanted w join tenants t on t.id = w.tenant and t.disabled_at is null
    on conflict do nothing
)
select w.tenant, w.source, w.id from wanted w join tenants t on t.id = w.tenant and t.disabled_at is not null
where not exists (
    select from events_in e where e.tenant = w.tenant and e.source = w.source and e.id = w.id
)

-- name: known_tenants
select id from tenants where id = any($1::text[])

-- name: erased
-- Of some tenants those that are erased, or are being erased.
select tenant from tenant_erasures where tenant = any($1::text[])

-- name: tenants
select id from tenants order by id

-- name: messages_set_aside
-- The tenant's open dead letters of messages, counted up to $2.
select count(*) as number, coalesce(sum(octet_length(body)), 0)::bigint as bytes from (
    select body from dead_letters where tenant = $1 and resolved_at is null and kind = 'message' limit $2
) as few

-- name: disabled_and_filling
-- Of some tenants those that are disabled and have $2 open dead letters of messages, or $3 bytes of them.
select t.id from tenants t
cross join lateral (
    select count(*) as number, coalesce(sum(octet_length(f.body)), 0) as bytes from (
        select body from dead_letters d
        where d.tenant = t.id and d.resolved_at is null and d.kind = 'message' limit $2
    ) as f
) as held
where t.id = any($1::text[]) and t.disabled_at is not null and (held.number >= $2 or held.bytes > $3)

-- name: claim_unmatched
-- The rows stay locked until the transaction that matches them ends, so two replicas share the work. Of large events
-- only so many as have $2 bytes together, and one at least. None of the tenants $3.
with claimed as materialized (
    select tenant, source, id, type, body, received_at, test from events_in
    where matched_at is null and tenant <> all($3::text[])
    order by received_at limit $1
    for update skip locked
)
select tenant, source, id, type, body, received_at, test from (
    select c.*, sum(octet_length(body)) over (order by received_at rows unbounded preceding) - octet_length(body) as before
    from claimed c
) as counted
where before < $2
order by received_at

-- name: mark_matched
-- With it, and once, come the news for endpoints, where one of the tenant wants to know of events; not of test runs'.
with matched as (
    update events_in e set matched_at = now()
    from unnest($1::text[], $2::text[], $3::text[]) with ordinality as m (tenant, source, id, place)
    where e.tenant = m.tenant and e.source = m.source and e.id = m.id
    returning e.tenant, e.source, e.type, e.body, e.received_at, e.test, m.place
)
insert into endpoint_news (tenant, type, about, at, data)
select m.tenant, 'event.' || m.type, m.source, m.received_at, m.body from matched m
where not m.test and exists (
    select from endpoints w where w.tenant = m.tenant and w.enabled and w.deleted_at is null and w.wants & 4 > 0
)
order by m.place

-- name: unpublished
select tenant, source, id, type, body, received_at, test from events_in
where publish and published_at is null
order by received_at limit $1 offset $2

-- name: mark_published
update events_in e set published_at = now()
from unnest($1::text[], $2::text[], $3::text[]) as m (tenant, source, id)
where e.tenant = m.tenant and e.source = m.source and e.id = m.id

-- name: sweep_events
delete from events_in where ctid in (
    select ctid from events_in
    where received_at < now() - interval '7 days' and matched_at is not null
        and (not publish or published_at is not null)
    limit $1
)
