-- How many rows of a kind a tenant has, counted to one more than it may have.

-- name: lock_quota
-- Taken after the transaction has written its rows, and before the chain of the audit. Whoever comes second
-- counts in a snapshot that holds the rows of the first.
select pg_advisory_xact_lock(hashtextextended('visapi.quota/' || $1::text, 0))

-- name: count_versions
select count(*) from (select from workflows where tenant = $1 limit $2::bigint + 1) as few

-- name: count_schedules
select (select count(*) from (select from schedules where tenant = $1 limit $2::bigint + 1) as timed)
    + (select count(*) from (select from schedule_listeners where tenant = $1 limit $2::bigint + 1) as listening)

-- name: count_secrets
select count(*) from (select from secrets where tenant = $1 limit $2::bigint + 1) as few

-- name: count_keys
-- Keys that may be used now or later, disabled ones included; those that ended within the last hour, which each
-- gateway still holds, have a count of their own.
select greatest(
    (select count(*) from (
        select from api_keys
        where tenant = $1 and coalesce(least(disabled_at, expires_at), 'infinity') > now()
        limit $2::bigint + 1
    ) as open) + (select count(*) from (
        select from api_keys
        where tenant = $1 and may_return and coalesce(expires_at, 'infinity') > now()
        limit $2::bigint + 1
    ) as disabled),
    (select count(*) from (
        select from api_keys
        where tenant = $1 and coalesce(least(disabled_at, expires_at), 'infinity') <= now()
            and coalesce(least(disabled_at, expires_at), 'infinity') > now() - interval '1 hour'
        limit $2::bigint + 1
    ) as ended)
)

-- name: count_retentions
select count(*) from (select from retention_policies where tenant = $1 limit $2::bigint + 1) as few

-- name: count_hooks
select count(*) from (select from hooks where tenant = $1 and deleted_at is null limit $2::bigint + 1) as few

-- name: count_endpoints
select count(*) from (select from endpoints where tenant = $1 and deleted_at is null limit $2::bigint + 1) as few

-- name: count_accounts
select count(*) from (select from accounts where tenant = $1 limit $2::bigint + 1) as few

-- name: count_templates
select count(*) from (select from template_versions where tenant = $1 limit $2::bigint + 1) as few

-- name: count_rates
select count(*) from (select from rates where tenant = $1 and subject <> 'tenant' limit $2::bigint + 1) as few

-- name: near_tenants
-- Tenants with at least half of their limit of open runs, and those with a limit of their own but without counted runs.
-- A limit of the tenant's own is read from `rates`: an orchestrator of the release before counts against the default.
select o.tenant, o.open, m.open_max, o.counted_at
from open_runs o
left join rates r on r.tenant = o.tenant and r.subject = 'tenant'
cross join lateral (select coalesce(r.open_runs_max, o.open_max) as open_max) as m
where o.open >= m.open_max / 2
union all
select r.tenant, 0, r.open_runs_max, r.updated_at from rates r
where r.subject = 'tenant' and r.open_runs_max is not null
    and not exists (select from open_runs o where o.tenant = r.tenant)
