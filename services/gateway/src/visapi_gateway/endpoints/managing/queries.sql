-- Endpoints and their secrets. The gateway seals; the notifier opens.

-- name: add_endpoint
insert into endpoints (tenant, id, name, url, types, wants, workflows, sources, ordered, created_by, updated_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
on conflict do nothing returning id

-- name: add_secret
insert into endpoint_secrets (tenant, endpoint, id, sealed, sealed_with, created_by) values ($1, $2, $3, $4, $5, $6)

-- name: one_endpoint
select id, name, url, types, workflows, sources, ordered, enabled, disabled_reason, disabled_at, failing_since,
    created_at, created_by, updated_at, updated_by
from endpoints where tenant = $1 and id = $2 and deleted_at is null

-- name: lock_endpoint
select id, name, url, types, workflows, sources, ordered, enabled, disabled_reason, disabled_at, failing_since,
    created_at, created_by, updated_at, updated_by
from endpoints where tenant = $1 and id = $2 and deleted_at is null for no key update

-- name: list_endpoints
select id, name, url, types, workflows, sources, ordered, enabled, disabled_reason, disabled_at, failing_since,
    created_at, created_by, updated_at, updated_by
from endpoints
where tenant = $1 and deleted_at is null and ($2::text is null or name = $2) and ($3::text is null or name > $3)
order by name limit $4

-- name: secrets_of
-- Those that are valid now.
select endpoint, id, created_at, created_by, expires_at from endpoint_secrets
where tenant = $1 and endpoint = any($2::uuid[]) and (expires_at is null or expires_at > now())
order by endpoint, id

-- name: update_endpoint
-- $8: whether filters are given. Enabling forgets why the endpoint was disabled.
update endpoints
set url = coalesce($3::text, url), types = coalesce($4::text[], types), wants = coalesce($5::smallint, wants),
    ordered = coalesce($6::boolean, ordered),
    enabled = coalesce($7::boolean, enabled),
    workflows = case when $8 then $9::text[] else workflows end,
    sources = case when $8 then $10::text[] else sources end,
    disabled_reason = case when $7 is null then disabled_reason when not $7 then 'key' end,
    disabled_at = case when $7 is null then disabled_at when not $7 then now() end,
    noticed_at = case when $7 is null then noticed_at when not $7 then now() end,
    failing_since = case when $7 then null else failing_since end,
    updated_at = now(), updated_by = $11
where tenant = $1 and id = $2

-- name: touch_endpoint
update endpoints set updated_at = now(), updated_by = $3 where tenant = $1 and id = $2

-- name: drop_ended_secrets
delete from endpoint_secrets where tenant = $1 and endpoint = $2 and expires_at <= now()

-- name: shorten_secrets
-- Whatever ends earlier anyway keeps its end.
update endpoint_secrets set expires_at = least(expires_at, now() + make_interval(secs => $3))
where tenant = $1 and endpoint = $2

-- name: count_valid
-- A secret that ends with this transaction is no longer counted.
select count(*) from endpoint_secrets
where tenant = $1 and endpoint = $2 and (expires_at is null or expires_at > clock_timestamp())

-- name: remove_endpoint
update endpoints
set deleted_at = now(), enabled = false, disabled_reason = 'key', disabled_at = now(), noticed_at = now(),
    updated_at = now(), updated_by = $3
where tenant = $1 and id = $2

-- name: drop_secrets
delete from endpoint_secrets where tenant = $1 and endpoint = $2
