-- API keys.

-- name: all_keys
-- A key that ended is held for an hour more, so that whoever uses it is told so; one of a disabled tenant, always.
select k.id, k.tenant, k.kind, k.hash, k.pepper, k.scopes, k.not_before, k.expires_at, k.disabled_at,
    t.disabled_at is not null as tenant_disabled
from api_keys k
join tenants t on t.id = k.tenant
where coalesce(least(k.disabled_at, k.expires_at), 'infinity') > now() - interval '1 hour'

-- name: list_keys
select id, name, kind, scopes, created_by, created_at, not_before, expires_at, disabled_at, last_used_at
from api_keys
where tenant = $1 and ($2::text is null or id > $2)
order by id limit $3

-- name: one_key
select id, name, kind, scopes, created_by, created_at, not_before, expires_at, disabled_at, last_used_at
from api_keys where id = $1 and tenant = $2

-- name: put_key
-- The columns are the fields of `KeyRow`.
insert into api_keys {key}

-- name: disable_key
-- `fresh`: it was not revoked before.
with old as (select id, disabled_at from api_keys where id = $1 and tenant = $2 for update)
update api_keys k set disabled_at = coalesce(old.disabled_at, now())
from old where k.id = old.id
returning old.disabled_at is null as fresh

-- name: shorten_key
update api_keys set expires_at = least(coalesce(expires_at, 'infinity'), now() + make_interval(secs => $3))
where id = $1 and tenant = $2 and disabled_at is null

-- name: note_use
update api_keys k set last_used_at = greatest(coalesce(k.last_used_at, '-infinity'), u.used_at)
from unnest($1::text[], $2::timestamptz[]) as u (id, used_at)
where k.id = u.id

-- name: rehash
-- A key whose hash another replica has replaced meanwhile is left alone.
update api_keys k set hash = u.hash, pepper = u.pepper
from unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[]) as u (id, before, hash, pepper)
where k.id = u.id and k.hash = u.before
