-- Events: every one that came in, from wherever, and who waits for which.

-- The unique key is what makes a repeated delivery harmless (CloudEvents: `source` and `id` name one
-- event). `body` is the event as structured JSON. A row is matched once (`matched_at`), by whoever
-- takes it first; what workflows emit is also published for the world outside (`publish`).
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

-- Who listens: one row per event filter of an open `listen` task. `shape` names the attributes that the
-- filter fixes, `key` hashes the values they must have (`visapi_common.core.event_keys`), so that the
-- subscriptions of one event are found by one probe per shape. The engine decides what really matches.
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
