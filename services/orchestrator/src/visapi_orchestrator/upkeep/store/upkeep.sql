-- Functions, stream incarnations, programs, and what grows old.

-- name: register_functions
insert into functions (owner, name, version, spec)
select $1, f.name, f.version, f.spec
from unnest($2::text[], $3::text[], $4::bytea[]) as f (name, version, spec)
on conflict (owner, name, version) do update
set spec = excluded.spec, announced_at = now(), quarantined_at = null

-- name: forget_versions
-- Of each function of an owner the 20 newest versions are kept.
delete from functions f
using (
    select version, name, row_number() over (partition by name order by announced_at desc) as nth
    from functions where owner = $1
) as n
where f.owner = $1 and f.name = n.name and f.version = n.version and n.nth > 20

-- name: names
select distinct name from functions where owner = $1

-- name: is_tenant
-- One that is erased, or is being erased, is none.
select exists (select from tenants t where t.id = $1 and not exists (select from tenant_erasures e where e.tenant = t.id))

-- name: list_functions
select distinct on (owner, name) owner, name, version, spec from functions
where quarantined_at is null
order by owner, name, announced_at desc

-- name: see_stream
-- Remember an incarnation; answers the one seen before, null at first sight.
with before as (select incarnation from streams where name = $1),
seen as (
    insert into streams (name, incarnation) values ($1, $2)
    on conflict (name) do update set incarnation = excluded.incarnation
)
select (select incarnation from before) as before

-- name: program
select body from programs where hash = decode($1, 'hex')

-- name: sweep_keys
-- Those that were revoked or expired so many days ago, the oldest first. A disabled key may be enabled again.
delete from api_keys where id in (
    select id from api_keys
    where coalesce(least(disabled_at, expires_at), 'infinity') < now() - make_interval(days => $1)
        and (not may_return or expires_at < now() - make_interval(days => $1))
    order by coalesce(least(disabled_at, expires_at), 'infinity') limit $2
)

-- name: sweep_idempotency
delete from idempotency where ctid in (
    select ctid from idempotency where created_at < now() - interval '7 days' limit $1
)
