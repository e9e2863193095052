-- How many requests and runs a tenant, a key and the keys under a name may take, where that is not the default: a null
-- is the default. `subject` is `tenant`, `key:<id>` or `name:<name>`; the keys of a name stand in `keys`.
create table rates (
    tenant text not null references tenants (id),
    subject text not null,
    per_s double precision check (per_s >= 0.001 and per_s <= 1000000),
    burst integer check (burst > 0),
    runs_per_day bigint check (runs_per_day >= 0),
    runs_per_month bigint check (runs_per_month >= 0),
    open_runs_max bigint check (open_runs_max >= 0),
    keys text[] not null default '{}',
    updated_at timestamptz not null default now(),
    updated_by text not null,
    primary key (tenant, subject)
);

-- What the gateways have leased of each rate: `arrival` is the theoretical arrival time of GCRA, by the clock of the
-- database. The other columns tell of the latest lease.
create table rate_leases (
    tenant text not null,
    subject text not null,
    arrival timestamptz not null,
    leased_at timestamptz not null,
    step_s double precision not null,
    burst integer not null,
    granted integer not null,
    primary key (tenant, subject)
) with (fillfactor = 50);

-- What they have leased of each quota of runs, in the period (UTC) that began on `began`.
create table quota_leases (
    tenant text not null,
    subject text not null,
    period text not null check (period in ('day', 'month')),
    began date not null,
    used bigint not null,
    most bigint not null,
    granted bigint not null,
    primary key (tenant, subject, period)
) with (fillfactor = 50);
