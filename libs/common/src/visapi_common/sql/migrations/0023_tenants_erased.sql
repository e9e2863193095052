-- Tenants that are to be erased, and how far that is: the orchestrator goes on from `step` and `position`. The row stays
-- when all else of the tenant is gone; it and the row of `tenants` keep the id from being given again.
create table tenant_erasures (
    tenant text primary key references tenants (id),
    requested_at timestamptz not null default now(),
    requested_by text not null,
    reason text not null,
    step text not null default 'schedule_listeners',
    position text not null default '',
    found boolean not null default false,
    gone bigint not null default 0,
    next_at timestamptz not null default now(),
    failure text,
    erased_at timestamptz
);
