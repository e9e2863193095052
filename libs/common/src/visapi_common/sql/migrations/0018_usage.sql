-- What tenants use, by day (UTC) and workflow. Whoever writes a fact adds a row to `usage_deltas` in the same
-- transaction, so that no two writers wait for each other; the orchestrator adds these up in `usage_days`.
create table usage_days (
    tenant text not null,
    day date not null,
    namespace text not null,
    name text not null,
    accepted bigint not null,
    retried bigint not null,
    completed bigint not null,
    faulted bigint not null,
    cancelled bigint not null,
    tasks bigint not null,
    deliveries bigint not null,
    artifact_bytes bigint not null,
    primary key (tenant, day, namespace, name)
) with (fillfactor = 80);
create index usage_days_age on usage_days (day);

create table usage_deltas (
    tenant text not null,
    id bigint generated always as identity,
    day date not null default (now() at time zone 'utc')::date,
    namespace text not null,
    name text not null,
    accepted bigint not null default 0,
    retried bigint not null default 0,
    completed bigint not null default 0,
    faulted bigint not null default 0,
    cancelled bigint not null default 0,
    tasks bigint not null default 0,
    deliveries bigint not null default 0,
    artifact_bytes bigint not null default 0,
    primary key (tenant, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
