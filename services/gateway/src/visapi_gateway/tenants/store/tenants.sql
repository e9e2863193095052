-- Tenants, which have no row policies: those who ask for them may see all.

-- name: add_tenant
insert into tenants (id, created_by) values ($1, $2) on conflict do nothing returning true

-- name: one_tenant
select t.id, t.created_at, t.created_by, t.disabled_at as suspended_at, t.disabled_reason as reason,
    case when t.disabled_at is null then 'active' else 'suspended' end as status,
    (
        select count(*) from api_keys k
        where k.tenant = t.id and coalesce(least(k.disabled_at, k.expires_at), 'infinity') > now()
    ) as keys
from tenants t where t.id = $1

-- name: list_tenants
select t.id, t.created_at, t.created_by, t.disabled_at as suspended_at, t.disabled_reason as reason,
    case when t.disabled_at is null then 'active' else 'suspended' end as status,
    (
        select count(*) from api_keys k
        where k.tenant = t.id and coalesce(least(k.disabled_at, k.expires_at), 'infinity') > now()
    ) as keys
from tenants t
where $1::text is null or t.id > $1
order by t.id limit $2

-- name: lock_tenant
-- Nobody else suspends or resumes the tenant until the transaction ends.
select disabled_at is not null as suspended from tenants where id = $1 for no key update

-- name: suspend_tenant
update tenants set disabled_at = now(), disabled_reason = $2 where id = $1

-- name: resume_tenant
update tenants set disabled_at = null, disabled_reason = null where id = $1

-- name: keys_of_tenant
select id from api_keys
where tenant = $1 and coalesce(least(disabled_at, expires_at), 'infinity') > now()
