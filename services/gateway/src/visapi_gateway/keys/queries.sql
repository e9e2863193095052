-- API keys.

-- name: clock
select clock_timestamp()

-- name: all_keys
-- A key that ended is held for an hour more, so that whoever uses it is told so; one of a disabled tenant, and one
-- that may return, always.
select k.id, k.tenant, k.kind, k.hash, k.pepper, k.scopes, k.not_before, k.expires_at, k.disabled_at,
    t.disabled_at is not null as tenant_disabled, k.workflows, k.allowed_addresses, k.denied_addresses, k.may_return,
    k.reason
from (
    select * from api_keys where coalesce(least(disabled_at, expires_at), 'infinity') > now() - interval '1 hour'
    union all
    select * from api_keys
    where may_return and disabled_at <= now() - interval '1 hour'
        and coalesce(expires_at, 'infinity') > now() - interval '1 hour'
) as k
join tenants t on t.id = k.tenant

-- name: some_keys
select k.id, k.tenant, k.kind, k.hash, k.pepper, k.scopes, k.not_before, k.expires_at, k.disabled_at,
    t.disabled_at is not null as tenant_disabled, k.workflows, k.allowed_addresses, k.denied_addresses, k.may_return,
    k.reason
from api_keys k
join tenants t on t.id = k.tenant
where k.id = any ($1::text[])

-- name: list_keys
select id, name, kind, scopes, workflows, allowed_addresses, denied_addresses, created_by, created_at, not_before,
    expires_at, disabled_at, reason, last_used_at, last_used_from,
    case
        when disabled_at is not null then case when may_return then 'disabled' else 'revoked' end
        when expires_at <= now() then 'expired'
        when not_before > now() then 'pending'
        else 'active'
    end as status
from api_keys
where tenant = $1 and ($2::text is null or id > $2)
order by id limit $3

-- name: one_key
select id, name, kind, scopes, workflows, allowed_addresses, denied_addresses, created_by, created_at, not_before,
    expires_at, disabled_at, reason, last_used_at, last_used_from,
    case
        when disabled_at is not null then case when may_return then 'disabled' else 'revoked' end
        when expires_at <= now() then 'expired'
        when not_before > now() then 'pending'
        else 'active'
    end as status
from api_keys where id = $1 and tenant = $2

-- name: lock_key
-- Nobody changes the key until the transaction ends; `one_key` then reads it as it is.
select true from api_keys where id = $1 and tenant = $2 for no key update

-- name: put_key
-- The columns are the fields of `KeyRow`.
insert into api_keys {key}

-- name: end_key
-- A key that was disabled before keeps its time; revoked, it stays so.
update api_keys
set disabled_at = coalesce(disabled_at, now()), may_return = $3, reason = coalesce($4, reason)
where id = $1 and tenant = $2

-- name: enable_key
update api_keys set disabled_at = null, may_return = false, reason = null where id = $1 and tenant = $2

-- name: change_key
update api_keys
set name = $3, scopes = $4, workflows = $5, allowed_addresses = $6, denied_addresses = $7, expires_at = $8
where id = $1 and tenant = $2

-- name: shorten_key
update api_keys set expires_at = least(coalesce(expires_at, 'infinity'), now() + make_interval(secs => $3))
where id = $1 and tenant = $2 and disabled_at is null

-- name: note_use
-- A key that another transaction holds is left out, because the reading of keys waits for this: its next use is noted.
update api_keys k
set last_used_at = u.used_at, last_used_from = u.address
from (
    select l.id, u.used_at, u.address
    from unnest($1::text[], $2::timestamptz[], $3::text[]) as u (id, used_at, address)
    join api_keys l on l.id = u.id
    where coalesce(l.last_used_at, '-infinity') < u.used_at
    for no key update of l skip locked
) as u
where k.id = u.id

-- name: rehash
-- A key whose hash another replica has replaced meanwhile is left alone, and so is one that another transaction holds.
update api_keys k set hash = u.hash, pepper = u.pepper
from (
    select l.id, u.hash, u.pepper
    from unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[]) as u (id, before, hash, pepper)
    join api_keys l on l.id = u.id and l.hash = u.before
    for no key update of l skip locked
) as u
where k.id = u.id
