-- Tenants have no row policies: only keys that may read all tenants run these statements.

-- name: add_tenant
insert into tenants (id, created_by) values ($1, $2) on conflict do nothing returning true

-- name: one_tenant
select t.id, t.created_at, t.created_by, t.disabled_at as suspended_at, t.disabled_reason as reason,
    case
        when e.erased_at is not null then 'erased'
        when e.tenant is not null then 'erasing'
        when t.disabled_at is not null then 'suspended'
        else 'active'
    end as status,
    e.requested_at, e.requested_by, e.reason as erased_for, e.step, e.gone, e.failure, e.erased_at,
    (
        select count(*) from api_keys k
        where k.tenant = t.id and coalesce(least(k.disabled_at, k.expires_at), 'infinity') > now()
    ) as keys
from tenants t left join tenant_erasures e on e.tenant = t.id
where t.id = $1

-- name: list_tenants
select t.id, t.created_at, t.created_by, t.disabled_at as suspended_at, t.disabled_reason as reason,
    case
        when e.erased_at is not null then 'erased'
        when e.tenant is not null then 'erasing'
        when t.disabled_at is not null then 'suspended'
        else 'active'
    end as status,
    e.requested_at, e.requested_by, e.reason as erased_for, e.step, e.gone, e.failure, e.erased_at,
    (
        select count(*) from api_keys k
        where k.tenant = t.id and coalesce(least(k.disabled_at, k.expires_at), 'infinity') > now()
    ) as keys
from tenants t left join tenant_erasures e on e.tenant = t.id
where $1::text is null or t.id > $1
order by t.id limit $2

-- name: lock_tenant
-- No other transaction suspends, resumes or erases the tenant until this one ends.
select disabled_at is not null as suspended from tenants where id = $1 for no key update

-- name: is_erased
-- Read after the lock: a transaction that held it may have asked for the erasure.
select exists (select from tenant_erasures where tenant = $1)

-- name: erase_tenant
insert into tenant_erasures (tenant, requested_by, reason) values ($1, $2, $3)

-- name: suspend_tenant
update tenants set disabled_at = now(), disabled_reason = $2 where id = $1

-- name: resume_tenant
update tenants set disabled_at = null, disabled_reason = null where id = $1

-- name: keys_of_tenant
select id from api_keys
where tenant = $1 and coalesce(least(disabled_at, expires_at), 'infinity') > now()
