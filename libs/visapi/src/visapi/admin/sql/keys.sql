-- API keys, written by the owner of the schema.

-- name: insert_key
insert into visapi.api_keys (id, tenant, kind, name, hash, scopes, created_by, pepper)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: key
select tenant, kind, scopes, hash, coalesce(least(disabled_at, expires_at), 'infinity') > now() as usable
from visapi.api_keys where id = $1

-- name: tenant_exists
select exists (select 1 from visapi.tenants where id = $1)
