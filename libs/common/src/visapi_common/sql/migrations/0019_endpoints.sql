-- Endpoints: where VisAPI sends webhooks about runs, tasks and events. `types`, `workflows` and `sources` hold texts, of
-- which a last `*` stands for anything; null filters nothing. `wants` are bits: 1 runs, 2 tasks, 4 events.
create table endpoints (
    tenant text not null references tenants (id),
    id uuid not null,
    name text not null,
    url text not null,
    types text[] not null,
    wants smallint not null,
    workflows text[],
    sources text[],
    ordered boolean not null default false,
    enabled boolean not null default true,
    disabled_reason text check (disabled_reason in ('key', 'gone', 'failing', 'full')),
    disabled_at timestamptz,
    noticed_at timestamptz,
    failing_since timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null,
    updated_at timestamptz not null default now(),
    updated_by text not null,
    deleted_at timestamptz,
    primary key (tenant, id)
);
create unique index endpoints_by_name on endpoints (tenant, name) where deleted_at is null;
create index endpoints_wanting on endpoints (tenant, wants) where enabled and deleted_at is null;
create index endpoints_deleted on endpoints (deleted_at) where deleted_at is not null;
create index endpoints_to_announce on endpoints (disabled_at) where disabled_at is not null and noticed_at is null;

-- What signs: sealed as other secrets are, opened by the notifier.
create table endpoint_secrets (
    tenant text not null,
    endpoint uuid not null,
    id uuid not null,
    sealed bytea not null,
    sealed_with text not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    expires_at timestamptz,
    primary key (tenant, endpoint, id),
    foreign key (tenant, endpoint) references endpoints (tenant, id) on delete cascade
);

-- What endpoints of a tenant may want to know, once for all of them: written in the transaction in which it is known.
-- `about` is the workflow of a run or a task, and the source of an event.
create table endpoint_news (
    tenant text not null,
    seq bigint generated always as identity,
    type text not null,
    about text not null,
    at timestamptz not null,
    data bytea not null,
    created_at timestamptz not null default now(),
    waiting boolean not null default true,
    primary key (tenant, seq)
);
create index endpoint_news_waiting on endpoint_news (tenant, seq) where waiting;
create index endpoint_news_age on endpoint_news (created_at);

-- One row for each webhook to an endpoint, sent until it is delivered or given up. Who sends it moves `next_at` beyond
-- the longest attempt.
create table endpoint_messages (
    tenant text not null,
    endpoint uuid not null,
    seq bigint generated always as identity,
    id uuid not null default gen_random_uuid(),
    news bigint not null,
    type text not null,
    size integer not null,
    created_at timestamptz not null default now(),
    state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    attempts integer not null default 0,
    attempts_left smallint not null default 10,
    next_at timestamptz not null default now(),
    lease_owner text,
    ended_at timestamptz,
    primary key (tenant, endpoint, seq)
) with (fillfactor = 80);
create unique index endpoint_messages_by_id on endpoint_messages (id);
create index endpoint_messages_pending on endpoint_messages (tenant, endpoint, seq) where state = 'pending';
create index endpoint_messages_due on endpoint_messages (tenant, endpoint, next_at) where state = 'pending';
create index endpoint_messages_ended on endpoint_messages (tenant, endpoint, seq) where state <> 'pending';
create index endpoint_messages_age on endpoint_messages (created_at);

create table endpoint_attempts (
    message uuid not null,
    number integer not null,
    tenant text not null,
    at timestamptz not null default now(),
    took_ms integer not null,
    status smallint,
    error text,
    response bytea,
    primary key (message, number)
);
create index endpoint_attempts_age on endpoint_attempts (at);

-- How far history was read for endpoints.
create table endpoint_relay (
    one boolean primary key default true check (one),
    xid xid8 not null
);
insert into endpoint_relay (xid) values (pg_current_xact_id());

-- `visapi admin reseal` and `rotation` work as the owner.
create policy owner_reseals on endpoint_secrets to current_user using (true);
