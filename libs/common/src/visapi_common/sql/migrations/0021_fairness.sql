-- Fairness among tenants.
--
-- A task of a function that serves all tenants is held back while enough of that function lie in the
-- stream: `sent_at` is null until it is released. `ready_at` is its place among its tenant's, a minute
-- earlier for each priority, which is what aging by one each minute comes to.

alter table tasks alter column sent_at drop not null;
create index tasks_held on tasks (function, tenant, ready_at) where sent_at is null;

-- Pending runs are looked for tenant by tenant.
create index runs_overdue_by_tenant on runs (tenant, sweep_at) where status = 'pending';
drop index runs_overdue;
