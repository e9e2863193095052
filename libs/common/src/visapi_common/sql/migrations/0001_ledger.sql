-- The ledger (DESIGN section 3): runs, what they wait for, what they were told, what they did.
--
-- Payload columns hold the JSON of `contracts.payloads.Payload` as bytes: `bytea`, because JSON
-- text may carry NUL, which `text` and `jsonb` refuse, and because nothing here looks inside.

create table tenants (
    id text primary key check (id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    created_at timestamptz not null default now()
);

create table api_keys (
    id text primary key,
    tenant text not null references tenants (id),
    kind text not null check (kind in ('live', 'test', 'admin')),
    name text not null,
    hash bytea not null,
    pepper_version smallint not null default 1,
    scopes text[] not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    not_before timestamptz,
    expires_at timestamptz,
    disabled_at timestamptz,
    last_used_at timestamptz
);

-- Compiled programs by content, shared by every definition that compiles to the same bytes.
create table programs (
    hash bytea primary key,
    body bytea not null
);

create table workflows (
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    -- Sorts like semantic versions do (semver.org, section 11), so that "highest" is an index scan.
    version_order text not null collate "C",
    source_hash bytea not null,
    source bytea not null,
    media_type text not null,
    program bytea not null references programs (hash),
    created_by text not null,
    created_at timestamptz not null default now(),
    primary key (tenant, namespace, name, version)
);
create index workflows_highest on workflows (tenant, namespace, name, version_order desc);

-- Live runs: one small unpartitioned table. `fillfactor` leaves room for HOT updates, and no
-- index mentions a column that changes on every transition.
create table runs (
    id uuid primary key,
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    program bytea not null,
    status text not null default 'pending' check (
        status in ('pending', 'running', 'waiting', 'suspended', 'cancelled', 'faulted', 'completed')
    ),
    revision integer not null default 0,
    -- The last history number used; history is dense from 1.
    seq integer not null default 0,
    priority smallint not null default 5,
    partition smallint not null,
    retention text not null default 'standard',
    ready_at timestamptz not null default now(),
    trace text,
    input bytea not null,
    state bytea,
    started_by text not null,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    -- When a pending run whose trigger may be lost is looked at next.
    sweep_at timestamptz not null default now() + interval '2 seconds',
    sweeps smallint not null default 0
) with (fillfactor = 60);
create index runs_overdue on runs (sweep_at) where status = 'pending';
create index runs_by_tenant on runs (tenant, id desc);

-- Ended runs, by retention class and by the day the run was created (its id is a UUIDv7).
create table runs_done (
    id uuid not null,
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    program bytea not null,
    status text not null check (status in ('cancelled', 'faulted', 'completed')),
    revision integer not null,
    seq integer not null,
    priority smallint not null,
    retention text not null,
    trace text,
    input bytea not null,
    output bytea,
    error bytea,
    started_by text not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz not null,
    primary key (retention, id)
) partition by list (retention);
create table runs_done_standard partition of runs_done for values in ('standard') partition by range (id);
create table runs_done_standard_rest partition of runs_done_standard default;
create index runs_done_by_tenant on runs_done (tenant, id desc);

-- Lifecycle items, one row per transition: `items` is a JSON array, `first_seq` its first number.
-- Partitioned exactly as `runs_done`, so a run's history lies with it without ever being moved.
create table history (
    run uuid not null,
    first_seq integer not null,
    last_seq integer not null,
    tenant text not null,
    retention text not null default 'standard',
    items bytea not null,
    primary key (retention, run, first_seq)
) partition by list (retention);
create table history_standard partition of history for values in ('standard') partition by range (run);
create table history_standard_rest partition of history_standard default;

-- Open tasks. A row is deleted by the transition that consumes its result.
create table tasks (
    run uuid not null,
    path text not null,
    attempt integer not null,
    tenant text not null,
    function text not null,
    effect_key text not null,
    token text not null,
    message bytea not null,
    priority smallint not null default 5,
    partition smallint not null,
    ready_at timestamptz not null default now(),
    state text not null default 'queued' check (state in ('queued', 'started', 'uncertain')),
    claimed_by text,
    heartbeat_at timestamptz,
    sweep_at timestamptz not null default now() + interval '30 seconds',
    sweeps smallint not null default 0,
    created_at timestamptz not null default now(),
    primary key (run, path)
) with (fillfactor = 80);
create index tasks_sweep on tasks (sweep_at);

create table timers (
    run uuid not null,
    id text not null,
    fire_at timestamptz not null,
    -- When the row is looked at next: `fire_at` first, then pushed by whoever takes it.
    due_at timestamptz not null,
    primary key (run, id)
);
create index timers_due on timers (due_at);

-- What somebody told a run; consumed (deleted) by the transition that takes it.
create table inbox (
    run uuid not null,
    key text not null,
    tenant text not null,
    kind text not null,
    body bytea not null,
    created_at timestamptz not null default now(),
    sweep_at timestamptz not null default now() + interval '2 seconds',
    sweeps smallint not null default 0,
    primary key (run, key)
);
create index inbox_overdue on inbox (sweep_at);

create table idempotency (
    tenant text not null,
    key text not null,
    run uuid not null,
    body_hash bytea not null,
    created_at timestamptz not null default now(),
    primary key (tenant, key)
);
create index idempotency_age on idempotency (created_at);

create table dead_letters (
    id uuid primary key,
    tenant text not null,
    service text not null,
    reason text not null,
    detail text not null,
    run uuid,
    path text,
    attempt integer,
    function text,
    body bytea,
    created_at timestamptz not null default now(),
    resolved_at timestamptz,
    resolved_by text,
    resolution text
);
create unique index dead_letters_once on dead_letters (run, path, attempt, reason);
create index dead_letters_open on dead_letters (tenant, id desc) where resolved_at is null;

-- Functions that workers announced; the newest announcement of a version wins.
create table functions (
    owner text not null,
    name text not null,
    version text not null,
    spec bytea not null,
    announced_at timestamptz not null default now(),
    primary key (owner, name, version)
);

-- The stream incarnations seen last: another `created` means the stream was lost and made anew.
create table streams (
    name text primary key,
    incarnation text not null,
    seen_at timestamptz not null default now()
);

-- What the notifier did under each effect key (DESIGN 3.6).
create table deliveries (
    effect_key text primary key,
    tenant text not null,
    run uuid not null,
    path text not null,
    function text not null,
    state text not null check (state in ('started', 'sent', 'failed', 'uncertain')),
    lease_owner text,
    lease_until timestamptz,
    outcome bytea,
    attempts smallint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- What `advance` was given, kept only when the orchestrator's setting asks (tests do).
create table recorded_inputs (
    run uuid not null,
    revision integer not null,
    events bytea not null,
    primary key (run, revision)
);

insert into tenants (id) values ('default');
