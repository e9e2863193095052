-- Questions to people (`human.approve`). The orchestrator opens and closes them within the transition
-- that does so; the gateway writes down who decided, once, and tells the run in the same transaction.

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
    -- When it was decided, expired or cancelled.
    closed_at timestamptz,
    primary key (tenant, id)
);
create index approvals_open on approvals (tenant, id desc) where state = 'open';
create index approvals_by_run on approvals (run);
create index approvals_age on approvals (closed_at) where state <> 'open';
