-- Schedules: one per workflow, that of its highest version. The gateway writes them at deployment,
-- the orchestrator fires them by the database's clock.

create table schedules (
    id uuid primary key,
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    program bytea not null,
    -- `visapi_engine.schedule.decisions.Schedule` as JSON.
    spec bytea not null,
    -- What `every` counts from.
    anchor timestamptz not null default now(),
    -- The last fire that was decided on; the run that was started last.
    last_fire timestamptz not null default now(),
    last_run uuid,
    -- A fire that waits for the run before it (overlap: buffer-one).
    buffered timestamptz,
    paused boolean not null default false,
    -- When it is looked at next.
    next_at timestamptz not null default now(),
    next_fire timestamptz,
    unique (tenant, namespace, name)
);
create index schedules_due on schedules (next_at) where not paused;

-- Every fire is decided once, whatever the clock does.
create table schedule_fires (
    schedule uuid not null,
    fire_at timestamptz not null,
    tenant text not null,
    outcome text not null check (outcome in ('started', 'skipped', 'missed', 'backfilled')),
    run uuid,
    decided_at timestamptz not null default now(),
    primary key (schedule, fire_at)
);
create index schedule_fires_age on schedule_fires (decided_at);

-- The quiet run that listens for the events of a schedule `on`.
create table schedule_listeners (
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    run uuid not null,
    primary key (tenant, namespace, name)
);
