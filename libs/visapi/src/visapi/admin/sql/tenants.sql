-- Tenants, written by the owner of the schema.

-- name: insert_tenant
insert into visapi.tenants (id) values ($1) on conflict do nothing returning true

-- name: list_tenants
select t.id, t.created_at, t.disabled_at, count(k.id) as keys
from visapi.tenants t
left join visapi.api_keys k on k.tenant = t.id and coalesce(least(k.disabled_at, k.expires_at), 'infinity') > now()
group by t.id order by t.id

-- name: tenant_state
-- Whether it is disabled; no row: there is none. Who changes it next waits.
select disabled_at is not null as disabled from visapi.tenants where id = $1 for update

-- name: is_erased
select exists (select from visapi.tenant_erasures where tenant = $1)

-- name: disable_tenant
update visapi.tenants set disabled_at = now(), disabled_reason = $2 where id = $1

-- name: enable_tenant
update visapi.tenants set disabled_at = null, disabled_reason = null where id = $1
