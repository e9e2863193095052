-- Requests to hooks: found by address, committed with their events, and refused ones counted.

-- name: hooks_at
-- By the owner's right, before a tenant is known; one row for each valid secret.
select address, tenant, id, name, provider, settings, enabled, secret, purpose, sealed, sealed_with
from hooks_at($1::text[])

-- name: put_deliveries
-- Sorted, so that two transactions with the same deliveries cannot deadlock.
insert into hook_deliveries (tenant, hook, delivery, id, type, subject, size)
select $1, u.hook, u.delivery, u.id, u.type, u.subject, u.size
from unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::integer[])
    as u (hook, delivery, id, type, subject, size)
order by u.hook, u.delivery
on conflict do nothing
returning id

-- name: put_bodies
insert into hook_bodies (tenant, id, event, size)
select $1, u.id, u.event, octet_length(u.event) from unnest($2::uuid[], $3::bytea[]) as u (id, event)

-- name: count_usage
-- The row stays locked until the transaction ends: whatever deletes rows of the tenant waits.
insert into hook_usage as u (tenant, deliveries, bytes) values ($1, $2, $3)
on conflict (tenant) do update set deliveries = u.deliveries + excluded.deliveries, bytes = u.bytes + excluded.bytes
returning deliveries, bytes

-- name: drop_oldest_bodies
-- Of the tenant's oldest events so many that $2 bytes are free, and at most $3.
with old as materialized (
    select id, size from hook_bodies where tenant = $1 order by id limit $3
), counted as (
    select id, sum(size) over (order by id) - size as before from old
), gone as (
    delete from hook_bodies b using counted c
    where b.tenant = $1 and b.id = c.id and c.before < $2
    returning b.size
)
update hook_usage set bytes = bytes - coalesce((select sum(size) from gone), 0) where tenant = $1

-- name: drop_oldest_deliveries
-- The tenant's $2 oldest deliveries, and their events where they are still there.
with old as materialized (
    select hook, delivery, id from hook_deliveries where tenant = $1 order by received_at limit $2
), gone as (
    delete from hook_deliveries d using old o
    where d.tenant = $1 and d.hook = o.hook and d.delivery = o.delivery
    returning d.id
), freed as (
    delete from hook_bodies b using gone g where b.tenant = $1 and b.id = g.id returning b.size
)
update hook_usage
set deliveries = deliveries - (select count(*) from gone), bytes = bytes - coalesce((select sum(size) from freed), 0)
where tenant = $1

-- name: count_refusals
-- A hook that was removed meanwhile counts nothing.
insert into hook_refusals as r (tenant, hook, reason, count, last_at)
select $1, u.hook, u.reason, u.count, u.last_at
from unnest($2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[]) as u (hook, reason, count, last_at)
where exists (select from hooks h where h.tenant = $1 and h.id = u.hook)
order by u.hook, u.reason
on conflict (tenant, hook, reason) do update
set count = r.count + excluded.count, last_at = greatest(r.last_at, excluded.last_at)

-- name: keep_refused
insert into hook_refused_requests (tenant, hook, id, at, reason, detail, address)
select $1, u.hook, u.id, u.at, u.reason, u.detail, u.address
from unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[])
    as u (hook, id, at, reason, detail, address)
where exists (select from hooks h where h.tenant = $1 and h.id = u.hook)

-- name: drop_refused
-- All but the latest $3 of each hook.
delete from hook_refused_requests r using unnest($2::uuid[]) as u (hook)
where r.tenant = $1 and r.hook = u.hook and r.id not in (
    select k.id from hook_refused_requests k where k.tenant = $1 and k.hook = u.hook order by k.id desc limit $3
)
