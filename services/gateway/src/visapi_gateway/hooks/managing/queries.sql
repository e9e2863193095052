-- Hooks and their secrets. The gateway writes what is sealed; only the function `hooks_at` reads it.

-- name: add_hook
insert into hooks (tenant, id, name, address, provider, settings, created_by, updated_by)
values ($1, $2, $3, $4, $5, $6, $7, $7)
on conflict do nothing returning id

-- name: add_secret
insert into hook_secrets (tenant, hook, id, purpose, sealed, sealed_with, created_by)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: one_hook
select id, name, provider, address, enabled, settings, created_at, created_by, updated_at, updated_by
from hooks where tenant = $1 and id = $2 and deleted_at is null

-- name: lock_hook
-- Changes of a hook come one after the other; requests that it receives need no lock.
select id, name, provider, address, enabled, settings, created_at, created_by, updated_at, updated_by
from hooks where tenant = $1 and id = $2 and deleted_at is null for no key update

-- name: list_hooks
select id, name, provider, address, enabled, settings, created_at, created_by, updated_at, updated_by
from hooks
where tenant = $1 and deleted_at is null and ($2::text is null or name = $2) and ($3::text is null or name > $3)
order by name limit $4

-- name: secrets_of
-- Those that are valid now.
select hook, id, purpose, created_at, created_by, expires_at from hook_secrets
where tenant = $1 and hook = any($2::uuid[]) and (expires_at is null or expires_at > now())
order by hook, id

-- name: update_hook
update hooks
set enabled = coalesce($3::boolean, enabled), settings = coalesce($4::bytea, settings), updated_at = now(), updated_by = $5
where tenant = $1 and id = $2

-- name: touch_hook
update hooks set updated_at = now(), updated_by = $3 where tenant = $1 and id = $2

-- name: drop_ended_secrets
delete from hook_secrets where tenant = $1 and hook = $2 and expires_at <= now()

-- name: shorten_secrets
-- Whoever ends earlier anyway keeps its end.
update hook_secrets set expires_at = least(expires_at, now() + make_interval(secs => $4))
where tenant = $1 and hook = $2 and purpose = $3

-- name: count_valid
-- A secret that ends with this transaction is no longer counted.
select count(*) from hook_secrets
where tenant = $1 and hook = $2 and purpose = $3 and (expires_at is null or expires_at > clock_timestamp())

-- name: remove_hook
update hooks set deleted_at = now(), enabled = false, updated_at = now(), updated_by = $3
where tenant = $1 and id = $2

-- name: drop_secrets
delete from hook_secrets where tenant = $1 and hook = $2
