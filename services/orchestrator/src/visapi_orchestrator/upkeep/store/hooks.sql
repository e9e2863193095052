-- What hooks remember: deleted by age, and with a hook that was removed.

-- name: hold_usage
-- Tenants with something to delete. Their usage is locked first, as by gateways that commit deliveries, so that
-- nobody waits in a circle.
select tenant from hook_usage where tenant in (
    select tenant from (
        select tenant from hook_deliveries
        where received_at < now() - make_interval(days => $1) order by received_at limit $2
    ) as old
    union
    select tenant from (
        select tenant from hooks where deleted_at is not null order by deleted_at limit 100
    ) as removed
)
order by tenant
for update

-- name: sweep_deliveries
with old as materialized (
    select tenant, hook, delivery from (
        select tenant, hook, delivery from hook_deliveries
        where received_at < now() - make_interval(days => $1) order by received_at limit $2
    ) as aged
    union
    select d.tenant, d.hook, d.delivery
    from (select tenant, id from hooks where deleted_at is not null order by deleted_at limit 100) as h
    cross join lateral (
        -- In the order of the key, or the planner may walk through all deliveries of the tenant.
        select tenant, hook, delivery from hook_deliveries
        where tenant = h.tenant and hook = h.id order by delivery limit $2
    ) as d
    limit $2
), gone as (
    delete from hook_deliveries d using old o
    where o.tenant = any ($3::text[]) and d.tenant = o.tenant and d.hook = o.hook and d.delivery = o.delivery
    returning d.tenant, d.id
), freed as (
    delete from hook_bodies b using gone g where b.tenant = g.tenant and b.id = g.id returning b.tenant, b.size
), counted as (
    update hook_usage u
    set deliveries = u.deliveries - c.number,
        bytes = u.bytes - coalesce((select sum(f.size) from freed f where f.tenant = u.tenant), 0)
    from (select tenant, count(*) as number from gone group by tenant) as c
    where u.tenant = c.tenant
)
select count(*) from gone

-- name: drop_removed
-- Removed hooks that nothing is left of; a minute later, so that requests that found them have ended.
delete from hooks h
where h.deleted_at < now() - interval '1 minute'
    and (
        select d.id from hook_deliveries d where d.tenant = h.tenant and d.hook = h.id order by d.delivery limit 1
    ) is null
