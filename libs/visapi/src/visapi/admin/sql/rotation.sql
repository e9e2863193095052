-- What depends on which key of a ring (core/keyrings.py), and secrets to seal anew.

-- name: keys_by_pepper
-- Keys that gateways hold: those that ended within the last hour, too. `some`: those that were used longest ago.
select pepper as key, count(*) as count, (array_agg(id order by last_used_at nulls first))[:5] as some
from visapi.api_keys
where coalesce(least(disabled_at, expires_at), 'infinity') > now() - interval '1 hour'
group by pepper

-- name: secrets_by_key
-- Secrets of workflows, of hooks and of endpoints, and credentials of accounts.
select sealed_with as key, count(*) as count, (array_agg(tenant || '/' || name order by tenant, name))[:5] as some
from (
    select tenant, name, sealed_with from visapi.secrets
    union all
    select tenant, 'hook/' || hook || '/' || id, sealed_with from visapi.hook_secrets
    union all
    select tenant, 'endpoint/' || endpoint || '/' || id, sealed_with from visapi.endpoint_secrets
    union all
    select tenant, 'account/' || name || '/' || id, sealed_with from visapi.account_versions
) as sealed
group by sealed_with

-- name: runs_before
-- The system's own runs, which listen for schedules, need no key.
select count(*) from visapi.runs where created_at < to_timestamp($1::float8) and not quiet

-- name: next_sealed
-- Each under the name that it is sealed under; those of hooks, endpoints and accounts have names that no
-- secret of a workflow has.
select tenant, name, sealed, sealed_with from (
    select tenant, name, sealed, sealed_with from visapi.secrets
    union all
    select tenant, 'hook/' || hook || '/' || id, sealed, sealed_with from visapi.hook_secrets
    union all
    select tenant, 'endpoint/' || endpoint || '/' || id, sealed, sealed_with from visapi.endpoint_secrets
    union all
    select tenant, 'account/' || name || '/' || id, sealed, sealed_with from visapi.account_versions
) as kept
where sealed_with is distinct from $1 and (tenant, name) > ($2, $3)
order by tenant, name limit $4

-- name: reseal
-- A secret that was stored anew or removed meanwhile is left alone.
with fresh as materialized (
    select * from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) as u (tenant, name, before, sealed)
), of_workflows as (
    update visapi.secrets s set sealed = u.sealed, sealed_with = $5 from fresh u
    where s.tenant = u.tenant and s.name = u.name and s.sealed = u.before
    returning 1
), of_hooks as (
    update visapi.hook_secrets s set sealed = u.sealed, sealed_with = $5
    from (
        select tenant, string_to_array(name, '/') as parts, before, sealed from fresh where name like 'hook/%'
    ) as u
    where s.tenant = u.tenant and s.hook = u.parts[2]::uuid and s.id = u.parts[3]::uuid and s.sealed = u.before
    returning 1
), of_endpoints as (
    update visapi.endpoint_secrets s set sealed = u.sealed, sealed_with = $5
    from (
        select tenant, string_to_array(name, '/') as parts, before, sealed from fresh where name like 'endpoint/%'
    ) as u
    where s.tenant = u.tenant and s.endpoint = u.parts[2]::uuid and s.id = u.parts[3]::uuid and s.sealed = u.before
    returning 1
), of_accounts as (
    update visapi.account_versions s set sealed = u.sealed, sealed_with = $5
    from (
        select tenant, string_to_array(name, '/') as parts, before, sealed from fresh where name like 'account/%'
    ) as u
    where s.tenant = u.tenant and s.name = u.parts[2] and s.id = u.parts[3]::uuid and s.sealed = u.before
    returning 1
)
select (select count(*) from of_workflows) + (select count(*) from of_hooks) + (select count(*) from of_endpoints)
    + (select count(*) from of_accounts)
