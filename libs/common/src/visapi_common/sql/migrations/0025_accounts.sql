-- Accounts: where a tenant's mails and messages leave from. `version` is used now; `overlap_version` is tried where the
-- provider refuses the credentials of `version`, until `overlap_until`. A removed name begins anew.
create table accounts (
    tenant text not null references tenants (id),
    name text not null,
    kind text not null,
    is_default boolean not null default false,
    version integer not null default 1,
    latest integer not null default 1,
    overlap_version integer,
    overlap_until timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null,
    updated_at timestamptz not null default now(),
    updated_by text not null,
    primary key (tenant, name)
);
create unique index accounts_by_default on accounts (tenant, kind) where is_default;

-- `settings` and `shown` are JSON: what anybody may read of the settings and of the credentials. The credentials are
-- sealed as other secrets are, and opened by the notifier.
create table account_versions (
    tenant text not null,
    name text not null,
    version integer not null,
    id uuid not null,
    settings bytea not null,
    shown bytea not null,
    sealed bytea not null,
    sealed_with text not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (tenant, name, version),
    foreign key (tenant, name) references accounts (tenant, name) on delete cascade
);

-- `visapi admin reseal` and `rotation` work as the owner.
create policy owner_reseals on account_versions to current_user using (true);
