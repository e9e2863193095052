-- What depends on which key of a ring (core/keyrings.py), and secrets to seal anew.

-- name: keys_by_pepper
-- Keys that gateways hold: those that ended within the last hour, too. `some`: those that were used longest ago.
select pepper as key, count(*) as count, (array_agg(id order by last_used_at nulls first))[:5] as some
from visapi.api_keys
where coalesce(least(disabled_at, expires_at), 'infinity') > now() - interval '1 hour'
group by pepper

-- name: secrets_by_key
select sealed_with as key, count(*) as count, (array_agg(tenant || '/' || name order by tenant, name))[:5] as some
from visapi.secrets
group by sealed_with

-- name: runs_before
-- The system's own runs, which listen for schedules, need no key.
select count(*) from visapi.runs where created_at < to_timestamp($1::float8) and not quiet

-- name: next_sealed
select tenant, name, sealed, sealed_with from visapi.secrets
where sealed_with is distinct from $1 and (tenant, name) > ($2, $3)
order by tenant, name limit $4

-- name: reseal
-- A secret that was stored anew or removed meanwhile is left alone.
update visapi.secrets s set sealed = u.sealed, sealed_with = $5
from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) as u (tenant, name, before, sealed)
where s.tenant = u.tenant and s.name = u.name and s.sealed = u.before
