-- Flow control: who is admitted under which key, who waits, and whose turn it is.
--
-- `scope` is the workflow (`namespace/name`), `key` the JSON text of what its key expression gave. Rows
-- of one key are read and written under one advisory lock (`flow.sql`).

-- A run that was admitted and has not ended. An inherited slot is that of a run further up: it does
-- not count, else a workflow that calls itself would wait for itself.
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
    -- Its turn under the rate limit; it is not admitted before.
    ready_at timestamptz not null default now()
);
create index flow_waiting_by_key on flow_waiting (tenant, scope, key, priority, since, run);

-- Turns under a rate limit, kept until they count no more.
create table flow_turns (
    run uuid primary key,
    tenant text not null,
    scope text not null,
    key text not null,
    at timestamptz not null,
    counts_until timestamptz not null
);
create index flow_turns_by_key on flow_turns (tenant, scope, key, at desc);
create index flow_turns_age on flow_turns (counts_until);
