-- The first API key of an embedded stack, inserted by the owner of the schema.

-- name: insert_first_key
insert into visapi.api_keys (id, tenant, kind, name, hash, scopes, created_by)
values ($1, 'default', 'admin', 'first key of the embedded stack', $2, array['*'], 'visapi up')

-- name: key_exists
select exists (
    select 1 from visapi.api_keys where id = $1 and disabled_at is null
)
