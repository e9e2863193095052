-- Events: taken in, matched against subscriptions, published.

-- name: take_in
-- From the stream, in its order: a microsecond apart. An event of an unknown or a disabled tenant is not taken;
-- answers which of the tenants are disabled.
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
select id from tenants where id = any($1::text[]) and disabled_at is not null

-- name: known_tenants
select id from tenants where id = any($1::text[])

-- name: tenants
select id from tenants order by id

-- name: claim_unmatched
-- The rows stay locked until the transaction that matches them ends, so two replicas share the work. Of large events
-- only so many as have $2 bytes together, and one at least.
with claimed as materialized (
    select tenant, source, id, type, body, received_at from events_in
    where matched_at is null
    order by received_at limit $1
    for update skip locked
)
select tenant, source, id, type, body, received_at from (
    select c.*, sum(octet_length(body)) over (order by received_at rows unbounded preceding) - octet_length(body) as before
    from claimed c
) as counted
where before < $2
order by received_at

-- name: shapes
-- The distinct shapes of some tenants: one probe of subscriptions_by_key per shape (a loose index scan),
-- however many subscriptions there are.
with recursive shapes as (
    (
        select t.tenant, s.shape
        from unnest($1::text[]) as t (tenant)
        cross join lateral (
            select shape from subscriptions where tenant = t.tenant order by shape limit 1
        ) as s
    )
    union all
    select h.tenant, n.shape
    from shapes h
    cross join lateral (
        select shape from subscriptions where tenant = h.tenant and shape > h.shape order by shape limit 1
    ) as n
)
select tenant, shape from shapes

-- name: tell_listeners
-- $1 to $3: tenant, shape and key of an event, $4 the event's inbox key, $5 its body, $6 its place among
-- those matched here, $7 when it came. One row per run; a run reads them in the order in which the events came.
-- Since a tenant is disabled its events reach runs that wait for them, and start no workflow (a quiet run would).
with heard as (
    select distinct on (s.run, e.inbox_key) s.run, s.tenant, e.inbox_key, e.body, e.place
    from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::int[], $7::timestamptz[])
        as e (tenant, shape, key, inbox_key, body, place, came_at)
    join subscriptions s on s.tenant = e.tenant and s.shape = e.shape and s.key = e.key
    left join tenants off on off.id = s.tenant and off.disabled_at <= e.came_at
    where off.id is null or not exists (select from runs r where r.id = s.run and r.quiet)
)
insert into inbox (run, key, tenant, kind, body, created_at, sweep_at)
select run, inbox_key, tenant, 'event', body, now() + place * interval '1 microsecond', now() + interval '2 seconds'
from heard
order by run, place
on conflict do nothing
returning run

-- name: mark_matched
update events_in e set matched_at = now()
from unnest($1::text[], $2::text[], $3::text[]) as m (tenant, source, id)
where e.tenant = m.tenant and e.source = m.source and e.id = m.id

-- name: unpublished
select tenant, source, id, type, body, received_at from events_in
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
