-- The rate of a tenant, written by the owner of the schema. A null is the default of the settings.

-- name: tenant_rate
-- No row: there is no tenant. Who changes the rate next waits.
select r.per_s, r.burst, r.runs_per_day, r.runs_per_month, r.open_runs_max
from visapi.tenants t
left join visapi.rates r on r.tenant = t.id and r.subject = 'tenant'
where t.id = $1
for update of t

-- name: put_tenant_rate
insert into visapi.rates (tenant, subject, per_s, burst, runs_per_day, runs_per_month, open_runs_max, updated_by)
values ($1, 'tenant', $2, $3, $4, $5, $6, $7)
on conflict (tenant, subject) do update
set per_s = excluded.per_s, burst = excluded.burst, runs_per_day = excluded.runs_per_day,
    runs_per_month = excluded.runs_per_month, open_runs_max = excluded.open_runs_max,
    updated_by = excluded.updated_by, updated_at = now()

-- name: reset_tenant_rate
delete from visapi.rates where tenant = $1 and subject = 'tenant'
