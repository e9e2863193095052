-- The schema of VisAPI, by conversation: retention, tenants and keys, secrets, workflows, schedules, runs, tasks,
-- the inbox, events, approvals, flow control, deliveries, dead letters, audit. Rights and policies stand in `roles.sql`.
--
-- Payload columns hold the JSON of `contracts.payloads.Payload` as `bytea`: JSON text may carry NUL, which `text` and
-- `jsonb` refuse, and no statement looks inside.

-- ---- Retention
--
-- How long ended runs are kept. A run belongs to a class from its start. A class is a number of days, and its ended
-- runs lie in partitions of their own, by the day in the run's UUIDv7, so that forgetting a day is dropping a table.
-- The orchestrator plans what to make and what to drop (`upkeep/rules/retention.py`).

create table retention_classes (
    name text primary key,
    days integer not null check (days between 1 and 36500),
    -- Days in one partition: runs are kept for `days`, and up to so many more.
    width integer not null check (width between 1 and 366)
);
insert into retention_classes (name, days, width) values ('standard', 30, 1);

create table retention_policies (
    tenant text not null,
    namespace text not null,
    class text not null references retention_classes (name),
    updated_at timestamptz not null default now(),
    updated_by text not null,
    primary key (tenant, namespace)
);

-- ---- Tenants and keys

create table tenants (
    id text primary key check (id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    created_at timestamptz not null default now(),
    -- Since when no key of the tenant is accepted; its runs go on.
    disabled_at timestamptz
);
insert into tenants (id) values ('default');

create table api_keys (
    id text primary key,
    tenant text not null references tenants (id),
    kind text not null check (kind in ('live', 'test', 'admin')),
    name text not null,
    hash bytea not null,
    scopes text[] not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    not_before timestamptz,
    expires_at timestamptz,
    disabled_at timestamptz,
    last_used_at timestamptz
);
-- By when keys ended: gateways hold those that have not ended, or not long ago, and count them by tenant.
create index api_keys_by_end on api_keys (coalesce(least(disabled_at, expires_at), 'infinity'));
create index api_keys_of_tenant_by_end on api_keys (tenant, coalesce(least(disabled_at, expires_at), 'infinity'));
create index api_keys_of_tenant on api_keys (tenant, id);

-- ---- Secrets
--
-- The gateway seals the secrets of tenants (AES-256-GCM), and only the notifier opens them.

create table secrets (
    tenant text not null,
    name text not null,
    sealed bytea not null,
    -- Where the secret may be sent; null is anywhere that the egress guard allows.
    hosts text[],
    updated_at timestamptz not null default now(),
    updated_by text not null,
    primary key (tenant, name)
);

-- ---- Workflows

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

-- ---- Schedules
--
-- One per workflow, that of its highest version. The gateway writes schedules at deployment, and the orchestrator fires
-- them by the database's clock.

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
    -- When the schedule is looked at next.
    next_at timestamptz not null default now(),
    next_fire timestamptz,
    -- Quarantined schedules stay for people to see and mend; no loop takes them.
    quarantined_at timestamptz,
    unique (tenant, namespace, name)
);
create index schedules_due on schedules (next_at) where not paused and quarantined_at is null;

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

-- ---- Runs

-- Live runs: one small unpartitioned table. `fillfactor` leaves room for HOT updates, and apart from those of pending
-- and suspended runs no index mentions a column that changes on every transition.
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
    sweeps smallint not null default 0,
    -- The task of another run that waits for this one.
    parent uuid,
    parent_path text,
    -- The schedule that started the run, and the fire.
    schedule uuid,
    fire_at timestamptz,
    -- The run that this one repeats.
    rerun_of uuid,
    -- What the run can be found by; `run_attributes` finds, this column shows.
    attributes jsonb,
    -- The system's own runs (they listen for a schedule's events) are left out of lists.
    quiet boolean not null default false,
    -- The run from which this one descends, by `run: workflow`, by the parts of a map, or through an event that a
    -- schedule listens for; null for a run that no other run caused. `depth` counts the runs in between.
    root uuid,
    depth smallint not null default 0
) with (fillfactor = 60);
-- Each transition of a run writes its state anew, and memory saves most reads of it. Of the CPU time that PostgreSQL
-- takes for a transition with a state of 50 KB (3.3 ms), compressing it is half. What is larger than 64 KiB in a
-- state lies in the artifact store.
alter table runs alter column state set storage external;
create index runs_by_tenant on runs (tenant, id desc);
-- Few runs have a parent, a schedule or a root, so these stay small.
create index runs_by_parent on runs (parent) where parent is not null;
create index runs_by_schedule on runs (schedule) where schedule is not null;
create index runs_by_root on runs (root) where root is not null;
-- Pending runs are looked for tenant by tenant.
create index runs_overdue_by_tenant on runs (tenant, sweep_at) where status = 'pending';
create index runs_by_workflow on runs (tenant, namespace, name, id desc);
-- No index lists pending runs: `runs_overdue_by_tenant` finds few, `runs_by_tenant` many, and one more index would cost
-- each run that is accepted.
create index runs_suspended on runs (tenant, id desc) where status = 'suspended';

-- Ended runs, by retention class and by the day of the run's creation. Columns as in `runs`.
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
    parent uuid,
    parent_path text,
    schedule uuid,
    fire_at timestamptz,
    rerun_of uuid,
    attributes jsonb,
    quiet boolean not null default false,
    -- Of a faulted run: the state with the point at which it can be resumed (`machine.resumption`).
    resume bytea,
    root uuid,
    depth smallint not null default 0,
    primary key (retention, id)
) partition by list (retention);
create table runs_done_standard partition of runs_done for values in ('standard') partition by range (id);
create table runs_done_standard_rest partition of runs_done_standard default;
create index runs_done_by_tenant on runs_done (tenant, id desc);
-- Few runs end badly, and those are looked for most.
create index runs_done_not_completed on runs_done (tenant, id desc) where status <> 'completed';
create index runs_done_by_parent on runs_done (parent, id desc) where parent is not null;
create index runs_done_by_schedule on runs_done (schedule, id desc) where schedule is not null;
create index runs_done_by_workflow on runs_done (tenant, namespace, name, id desc);

-- Lifecycle items, one row per transition: `items` is a JSON array, `first_seq` its first number. Partitioned exactly
-- as `runs_done`, so that a run's history lies with the ended run without ever being moved.
create table history (
    run uuid not null,
    first_seq integer not null,
    last_seq integer not null,
    tenant text not null,
    retention text not null default 'standard',
    items bytea not null,
    -- The transaction that wrote the row. Once every transaction below some number is over, the rows below that number
    -- are complete: a reader that goes no further misses none, whatever the order of commits.
    xid xid8 default pg_current_xact_id(),
    primary key (retention, run, first_seq)
) partition by list (retention);
create table history_standard partition of history for values in ('standard') partition by range (run);
create table history_standard_rest partition of history_standard default;
-- Appended at its right end; equal numbers of one batch share an entry.
create index history_by_xid on history (xid) where xid is not null;

-- One row: the lifecycle events of all history below `xid` have been published.
create table lifecycle_relay (
    one boolean primary key default true check (one),
    xid xid8 not null
);
insert into lifecycle_relay (xid) values (pg_current_xact_id());

-- What runs are found by: one row per search attribute and value, of live and of ended runs alike.
--
-- An inverted index on `runs.attributes` would never be used: under row-level security an index condition must be
-- leakproof. `jsonb @>` is not, while equality and order of text, numbers and uuids are. Rows lie as histories do, so
-- that they are never moved and are dropped with their runs.
create table run_attributes (
    retention text not null,
    run uuid not null,
    tenant text not null,
    name text not null,
    -- The text of the value (`true`, `12.5`, `null`); in lower case, for free text; what numbers compare by.
    value text not null collate "C",
    folded text not null collate "C",
    number float8
) partition by list (retention);
create table run_attributes_standard partition of run_attributes
    for values in ('standard') partition by range (run);
create table run_attributes_standard_rest partition of run_attributes_standard default;
create index run_attributes_by_value on run_attributes (tenant, name, value, run desc);
create index run_attributes_by_number on run_attributes (tenant, name, number, run desc) where number is not null;
create index run_attributes_by_text on run_attributes (tenant, folded, run desc);
create index run_attributes_by_run on run_attributes (run);

-- A root that has descendants. The transaction that starts a descendant locks the row and reads it; the transaction
-- that cancels the root writes it. So each sees the other: either the descendant is not started, or the sweep that
-- cancels what is open finds it.
create table families (
    root uuid primary key,
    tenant text not null,
    -- When a descendant was started last, or the root was cancelled.
    touched_at timestamptz not null default now(),
    cancelled_at timestamptz,
    -- When no descendant was open any more.
    settled_at timestamptz
);
create index families_to_cancel on families (cancelled_at) where cancelled_at is not null and settled_at is null;

-- How many runs of a tenant are open, counted now and then, and how many may be.
create table open_runs (
    tenant text primary key,
    open bigint not null,
    open_max bigint not null,
    counted_at timestamptz not null default now()
);

create table idempotency (
    tenant text not null,
    key text not null,
    run uuid not null,
    body_hash bytea not null,
    created_at timestamptz not null default now(),
    primary key (tenant, key)
);
create index idempotency_age on idempotency (created_at);

-- The inputs of `advance`, kept only when the orchestrator's setting asks (tests do).
create table recorded_inputs (
    run uuid not null,
    revision integer not null,
    events bytea not null,
    primary key (run, revision)
);

-- ---- Tasks and timers

-- Open tasks. The transition that consumes a task's result deletes its row.
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
    -- The task's place among its tenant's, a minute earlier for each priority: an aging by one each minute.
    ready_at timestamptz not null default now(),
    state text not null default 'queued' check (state in ('queued', 'started', 'uncertain')),
    claimed_by text,
    heartbeat_at timestamptz,
    sweep_at timestamptz not null default now() + interval '30 seconds',
    sweeps smallint not null default 0,
    created_at timestamptz not null default now(),
    -- When the task was published last: it is lost when nothing as old is left in the stream for its function. Null
    -- until the task is released: a task of a function that serves all tenants is held back while enough of that
    -- function lie in the stream.
    sent_at timestamptz default now(),
    primary key (run, path)
) with (fillfactor = 80);
create index tasks_held on tasks (function, tenant, ready_at) where sent_at is null;
-- The orchestrator often counts the tasks of a shared function that are under way for each tenant. A shared function is
-- known by the first word of its name (`contracts/subjects.py`), so a new one needs no migration; only its rows are indexed.
create index tasks_sent on tasks (function, tenant)
where sent_at is not null and state <> 'uncertain'
    and split_part(function, '.', 1) in ('http', 'notify', 'openapi', 'pdf');
-- The sweep goes from one tenant and function to the next, and takes the overdue tasks of each in their order. A task
-- that is held back, or whose outcome nobody knows, is in no sweep and not in this index.
create index tasks_overdue on tasks (tenant, function, sweep_at)
where sent_at is not null and state in ('queued', 'started');

-- Effects of class once that a worker began under a claim, and that were given up without an answer: the timeout of
-- their task came first. A later attempt at such an effect is uncertain. The rows go with their run.
create table started_effects (
    run uuid not null,
    effect_key text not null,
    primary key (run, effect_key)
);

-- Functions that workers announced; the newest announcement of a version wins.
create table functions (
    owner text not null,
    name text not null,
    version text not null,
    spec bytea not null,
    announced_at timestamptz not null default now(),
    quarantined_at timestamptz,
    primary key (owner, name, version)
);

-- The stream incarnations seen last: another `created` means that the stream was lost and made anew.
create table streams (
    name text primary key,
    incarnation text not null
);

create table timers (
    run uuid not null,
    id text not null,
    fire_at timestamptz not null,
    -- When the row is looked at next: `fire_at` first, then pushed by whoever takes the row.
    due_at timestamptz not null,
    primary key (run, id)
);
create index timers_due on timers (due_at);

-- ---- The inbox: commands, decisions, child results and events for a run, deleted by the transition that takes them

create table inbox (
    run uuid not null,
    key text not null,
    tenant text not null,
    kind text not null,
    body bytea not null,
    created_at timestamptz not null default now(),
    sweep_at timestamptz not null default now() + interval '2 seconds',
    sweeps smallint not null default 0,
    -- The order in which rows were written: rows of one transaction have one `created_at`, and keys have no order.
    seq bigint generated always as identity,
    primary key (run, key)
);
create index inbox_overdue on inbox (sweep_at);

-- ---- Events

-- Every event that came in. The unique key makes a repeated delivery harmless (CloudEvents: `source` and `id` name one
-- event). `body` is the event as structured JSON. A row is matched once (`matched_at`), by whoever takes it first; what
-- workflows emit is also published for the world outside (`publish`).
create table events_in (
    tenant text not null,
    source text not null,
    id text not null,
    type text not null,
    body bytea not null,
    received_at timestamptz not null default now(),
    matched_at timestamptz,
    publish boolean not null default false,
    published_at timestamptz,
    primary key (tenant, source, id)
);
create index events_in_unmatched on events_in (received_at) where matched_at is null;
create index events_in_unpublished on events_in (received_at) where publish and published_at is null;
create index events_in_age on events_in (received_at);

-- Who listens: one row per event filter of an open `listen` task. `shape` names the attributes that the filter fixes,
-- `key` hashes the values that they must have (`visapi_common.core.event_keys`), so that one probe per shape finds the
-- subscriptions of an event. The engine decides what really matches.
create table subscriptions (
    run uuid not null,
    path text not null,
    n smallint not null,
    tenant text not null,
    shape text not null collate "C",
    key bytea not null,
    primary key (run, path, n)
);
create index subscriptions_by_key on subscriptions (tenant, shape, key);

-- ---- Approvals
--
-- Questions to people (`human.approve`). The orchestrator opens and closes them within the transition that does so; the
-- gateway writes down who decided, once, and tells the run in the same transaction.

create table approvals (
    tenant text not null,
    id uuid not null,
    run uuid not null,
    path text not null,
    -- `namespace/name:version` of the workflow that asks, and its task.
    workflow text not null,
    task text not null,
    -- What people see: title, text, data and choices, as JSON.
    shown bytea not null,
    -- Whose link each key opens; the first is nobody's in particular. Of keys only the hashes are kept.
    approvers text[] not null,
    keys bytea[] not null,
    state text not null default 'open' check (state in ('open', 'decided', 'expired', 'cancelled')),
    asked_at timestamptz not null,
    expires_at timestamptz,
    decision text,
    comment text,
    decided_by text,
    -- When the approval was decided, expired or cancelled.
    closed_at timestamptz,
    primary key (tenant, id)
);
create index approvals_open on approvals (tenant, id desc) where state = 'open';
create index approvals_by_run on approvals (run);
create index approvals_age on approvals (closed_at) where state <> 'open';

-- ---- Flow control
--
-- `scope` is the workflow (`namespace/name`), `key` the JSON text of what its key expression gave. Rows of one key are
-- read and written under one advisory lock (`flow.sql`).

-- A run that was admitted and has not ended. An inherited slot is that of a run further up: it does not count, else a
-- workflow that calls itself would wait for itself.
create table flow_slots (
    run uuid primary key,
    tenant text not null,
    scope text not null,
    key text not null,
    lim integer not null,
    inherited boolean not null default false,
    since timestamptz not null default now()
);
create index flow_slots_by_key on flow_slots (tenant, scope, key);

create table flow_waiting (
    run uuid primary key,
    tenant text not null,
    scope text not null,
    key text not null,
    lim integer not null,
    on_limit text not null check (on_limit in ('queue', 'reject', 'cancel-oldest')),
    priority smallint not null check (priority between 0 and 9),
    since timestamptz not null default now(),
    -- The run is not admitted before: its reservation under the rate limit.
    ready_at timestamptz not null default now()
);
create index flow_waiting_by_key on flow_waiting (tenant, scope, key, priority, since, run);

-- Reservations under a rate limit, kept until they count no more.
create table rate_reservations (
    run uuid primary key,
    tenant text not null,
    scope text not null,
    key text not null,
    at timestamptz not null,
    counts_until timestamptz not null
);
create index rate_reservations_by_key on rate_reservations (tenant, scope, key, at desc);
create index rate_reservations_age on rate_reservations (counts_until);

-- ---- Deliveries: what the notifier did under each effect key

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
-- `created_at` never changes, so that the end of a delivery stays a HOT update.
create index deliveries_age on deliveries (created_at);

-- ---- Dead letters
--
-- A task whose outcome nobody knows (`kind` is null), or what a loop quarantined because it failed alone: a row of some
-- table, or a message, with what puts it back.

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
    -- A letter that is resolved by `replay` is put back by the orchestrator, which then notes `replayed_at`.
    resolution text,
    kind text check (
        kind in ('message', 'event', 'emit', 'schedule', 'function', 'timer', 'inbox', 'run', 'lifecycle')
    ),
    -- The names of the item; its bytes are `body`.
    item text[] not null default '{}',
    headers bytea,
    -- Equal for two letters about the same item; at most one of them is open.
    digest bytea,
    replayed_at timestamptz
);
create unique index dead_letters_once on dead_letters (run, path, attempt, reason);
create unique index dead_letters_item_once on dead_letters (digest) where resolved_at is null;
create index dead_letters_open on dead_letters (tenant, id desc) where resolved_at is null;
create index dead_letters_of_tenant on dead_letters (tenant, id desc);
-- A letter about a task has no kind.
create index dead_letters_of_kind on dead_letters (tenant, (case when kind is null then 'task' else kind end), id desc);
create index dead_letters_to_replay on dead_letters (resolved_at)
    where resolution = 'replay' and replayed_at is null;
create index dead_letters_age on dead_letters (created_at) where kind is not null;
-- Dead letters of runs go with their run; these belong to none.
create index dead_letters_without_run on dead_letters (created_at) where run is null;

-- ---- Audit
--
-- Who did what, in the order of commits: one chain of rows per tenant (`core/audit_chain.py`). The transaction that did
-- what a row tells adds the row, and nobody changes it.

create table audit (
    tenant text not null,
    -- Dense from 1 per tenant.
    seq bigint not null,
    at timestamptz not null,
    actor text not null,
    action text not null,
    target text not null,
    reason text,
    request_id text,
    -- A JSON object: what else is worth knowing, never a secret.
    details bytea not null,
    -- SHA-256 of the row before, and of this row with it.
    previous bytea not null,
    hash bytea not null,
    primary key (tenant, seq)
);
create index audit_by_target on audit (tenant, target, seq desc);

-- No role has the right to change a row; the triggers refuse the owner too.
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit is append-only';
end
$$;
create trigger audit_append_only before update or delete on audit
    for each row execute function audit_is_append_only();
create trigger audit_never_emptied before truncate on audit
    for each statement execute function audit_is_append_only();

-- ---- Partitions of ended runs, their histories and attributes
--
-- Only the owner may create and drop tables, hence `security definer`, with a fixed search path and nothing of the
-- caller's in a statement but names that are known, days and numbers. Each function touches one partitioned table and
-- waits for it less than PostgreSQL waits to look for a deadlock. `5647215` is an arbitrary constant: its advisory lock
-- serialises whoever makes or drops.

-- The smallest UUIDv7 of a day: the first 48 bits are Unix milliseconds.
create function first_id_of(day date) returns uuid
language sql immutable strict parallel safe as $$
    select (lpad(to_hex((extract(epoch from day) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

create function check_retention_table(base text, class text) returns void
language plpgsql set search_path = visapi, pg_temp as $$
begin
    if base is null or base not in ('runs_done', 'history', 'run_attributes') then
        raise exception '% is not partitioned by retention', base;
    end if;
    if not exists (select from retention_classes c where c.name = class) then
        raise exception 'there is no retention class %', class;
    end if;
end
$$;

-- True: made. False: there already. Null: not possible, as the class has no table yet, or as rows of
-- these days lie in the default partition, where they stay.
create function make_partition(base text, class text, first date, past date) returns boolean
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    parent constant text := base || '_' || class;
    child constant text := parent || '_' || to_char(first, 'YYYYMMDD');
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(parent) is null then
        return null;
    end if;
    if to_regclass(child) is not null then
        return false;
    end if;
    execute format('create table %I partition of %I for values from (%L) to (%L)',
        child, parent, first_id_of(first), first_id_of(past));
    return true;
exception when check_violation then
    raise notice 'rows of % lie in the default partition of %', first, parent;
    return null;
end
$$;

-- Nobody writes to the partition until the caller's transaction is over. False: there is none.
create function lock_partition(base text, class text, first date) returns boolean
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    child constant text := base || '_' || class || '_' || to_char(first, 'YYYYMMDD');
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(child) is null then
        return false;
    end if;
    execute format('lock table only %I in share row exclusive mode', child);
    return true;
end
$$;

-- The caller has locked the partition and found that nothing in it is needed.
create function drop_partition(base text, class text, first date) returns void
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    parent constant text := base || '_' || class;
begin
    perform check_retention_table(base, class);
    -- Readers lock the parent first; whoever comes later waits here, holding nothing of ours.
    execute format('lock table only %I in access exclusive mode', parent);
    execute format('drop table %I', parent || '_' || to_char(first, 'YYYYMMDD'));
end
$$;

-- The class of so many days, with its row but perhaps without tables.
create function make_retention_class(days_kept integer) returns text
language plpgsql security definer set search_path = visapi, pg_temp as $$
declare
    class constant text := 'd' || days_kept;
begin
    -- Few classes, as each has its tables: `contracts.retention.DAYS`.
    if days_kept is null
        or days_kept not in (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825, 2555, 3650) then
        raise exception 'runs cannot be kept for % days', days_kept;
    end if;
    insert into retention_classes (name, days, width)
    values (class, days_kept, greatest(1, days_kept / 15))
    on conflict (name) do nothing;
    return class;
end
$$;

-- The tables of a class under one partitioned table, with room for the days that begin now.
create function make_retention_table(base text, class text) returns void
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    today constant date := (now() at time zone 'utc')::date;
    parent constant text := base || '_' || class;
    -- Of the three, histories are found by their run.
    range_key constant text := case base when 'runs_done' then 'id' else 'run' end;
    days integer;
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(parent) is not null then
        return;
    end if;
    execute format('create table %I partition of %I for values in (%L) partition by range (%I)',
        parent, base, class, range_key);
    execute format('create table %I partition of %I default', parent || '_rest', parent);
    select width into days from retention_classes c where c.name = class;
    perform make_partition(base, class, today, today + days);
end
$$;

revoke all on function make_partition(text, text, date, date), lock_partition(text, text, date),
    drop_partition(text, text, date), make_retention_class(integer), make_retention_table(text, text),
    check_retention_table(text, text) from public;
grant execute on function make_partition(text, text, date, date), lock_partition(text, text, date),
    drop_partition(text, text, date) to visapi_orchestrator;
grant execute on function make_retention_class(integer), make_retention_table(text, text) to visapi_gateway;

-- The first week of the standard class.
select make_partition(base, 'standard', today + n, today + n + 1)
from unnest(array['runs_done', 'history', 'run_attributes']) base,
    generate_series(0, 7) n,
    (select (now() at time zone 'utc')::date as today) d;
