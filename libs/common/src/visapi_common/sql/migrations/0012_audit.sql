-- Who did what, in the order in which it was committed: one chain of rows per tenant (core/audit_chain.py).
-- Rows are added, by the transaction that did what they tell, and never changed.

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
    -- SHA-256 of the row before, and of this one with it.
    previous bytea not null,
    hash bytea not null,
    primary key (tenant, seq)
);
create index audit_by_target on audit (tenant, target, seq desc);

-- No role has the right to change a row; this holds the owner up too.
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit is append-only';
end
$$;
create trigger audit_append_only before update or delete on audit
    for each row execute function audit_is_append_only();
create trigger audit_never_emptied before truncate on audit
    for each statement execute function audit_is_append_only();
