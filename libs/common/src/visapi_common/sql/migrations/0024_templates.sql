-- Templates of tenants. A version never changes; its sources and assets lie in the artifact store under `sha256`. A
-- retired name is unknown until it is stored again; its versions stay, because definitions may name them.
create table templates (
    tenant text not null references tenants (id),
    name text not null,
    kind text not null check (kind in ('pdf', 'email')),
    latest integer not null default 0,
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    primary key (tenant, name)
);

create table template_versions (
    tenant text not null,
    name text not null,
    version integer not null,
    sha256 bytea not null,
    size integer not null,
    default_locale text not null,
    locales text[] not null,
    description text not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (tenant, name, version),
    foreign key (tenant, name) references templates (tenant, name)
);
