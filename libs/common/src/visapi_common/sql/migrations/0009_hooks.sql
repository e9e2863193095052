-- Hooks: webhooks that providers send to a tenant. `address` is the unguessable part of the path; a hook that is
-- removed keeps its row until its deliveries are gone.
create table hooks (
    tenant text not null references tenants (id),
    id uuid not null,
    name text not null,
    address text not null unique,
    provider text not null check (
        provider in ('github', 'stripe', 'slack', 'shopify', 'standard-webhooks', 'whatsapp', 'hmac', 'basic', 'none')
    ),
    settings bytea not null,
    enabled boolean not null default true,
    created_at timestamptz not null default now(),
    created_by text not null,
    updated_at timestamptz not null default now(),
    updated_by text not null,
    deleted_at timestamptz,
    primary key (tenant, id)
);
create unique index hooks_by_name on hooks (tenant, name) where deleted_at is null;
create index hooks_deleted on hooks (deleted_at) where deleted_at is not null;

-- Sealed as `secrets` are; the gateway opens them to verify requests, by `hooks_at` alone.
create table hook_secrets (
    tenant text not null,
    hook uuid not null,
    id uuid not null,
    purpose text not null check (purpose in ('signature', 'handshake')),
    sealed bytea not null,
    sealed_with text not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    expires_at timestamptz,
    primary key (tenant, hook, id),
    foreign key (tenant, hook) references hooks (tenant, id) on delete cascade
);

-- What was accepted: `delivery` is the provider's id, and the id of the event. One row for each, so that a repeated
-- delivery is known as long as the row lives.
create table hook_deliveries (
    tenant text not null,
    hook uuid not null,
    delivery text not null,
    id uuid not null,
    type text not null,
    subject text,
    size integer not null,
    received_at timestamptz not null default now(),
    replays integer not null default 0,
    replayed_at timestamptz,
    primary key (tenant, hook, delivery)
);
create index hook_deliveries_of_hook on hook_deliveries (tenant, hook, id desc);
create index hook_deliveries_of_tenant on hook_deliveries (tenant, received_at);
create index hook_deliveries_age on hook_deliveries (received_at);

-- The events of deliveries, for reading and replaying; the oldest go first where a tenant has too many bytes.
create table hook_bodies (
    tenant text not null,
    id uuid not null,
    event bytea not null,
    size integer not null,
    primary key (tenant, id)
);

-- How much a tenant's hooks hold; written by whatever adds and deletes the rows above.
create table hook_usage (
    tenant text not null primary key,
    deliveries bigint not null,
    bytes bigint not null
);

-- Refused requests to known hooks: counted by reason, and the latest of them.
create table hook_refusals (
    tenant text not null,
    hook uuid not null,
    reason text not null,
    count bigint not null,
    last_at timestamptz not null,
    primary key (tenant, hook, reason),
    foreign key (tenant, hook) references hooks (tenant, id) on delete cascade
);
create table hook_refused_requests (
    tenant text not null,
    hook uuid not null,
    id uuid not null,
    at timestamptz not null,
    reason text not null,
    detail text not null,
    address text not null,
    primary key (tenant, hook, id),
    foreign key (tenant, hook) references hooks (tenant, id) on delete cascade
);

-- Whose hooks these addresses are, with their valid secrets: asked before a tenant is known. Nobody can list the hooks
-- of another tenant with it.
create function hooks_at(addresses text[]) returns table (
    address text, tenant text, id uuid, name text, provider text, settings bytea, enabled boolean,
    secret uuid, purpose text, sealed bytea, sealed_with text
)
language sql stable security definer set search_path = visapi, pg_temp as $$
    select h.address, h.tenant, h.id, h.name, h.provider, h.settings, h.enabled, s.id, s.purpose, s.sealed, s.sealed_with
    from hooks h
    join tenants t on t.id = h.tenant and t.disabled_at is null
    left join hook_secrets s on s.tenant = h.tenant and s.hook = h.id and (s.expires_at is null or s.expires_at > now())
    where h.address = any (addresses) and h.deleted_at is null
$$;
revoke all on function hooks_at(text[]) from public;
grant execute on function hooks_at(text[]) to visapi_gateway;

-- `hooks_at` works as the owner, and so do `visapi admin reseal` and `rotation`.
create policy owner_finds on hooks for select to current_user using (true);
create policy owner_reseals on hook_secrets to current_user using (true);
