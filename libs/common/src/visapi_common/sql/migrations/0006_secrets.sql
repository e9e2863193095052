-- Secrets of tenants, sealed by the gateway (AES-256-GCM) and opened by the notifier alone.
-- `hosts` names where a secret may be sent; null is anywhere that the egress guard allows.

create table secrets (
    tenant text not null,
    name text not null,
    sealed bytea not null,
    hosts text[],
    updated_at timestamptz not null default now(),
    updated_by text not null,
    primary key (tenant, name)
);
