-- Transactions on behalf of tenants: one round trip opens the transaction and names the tenants
-- that the row-level policies (sql/roles.sql) then let it see. `{tenants}` is filled with checked ids.

-- name: begin_for_tenants
begin; set local visapi.tenants = '{tenants}'

-- name: and_unknown_tenants
-- Dead letters whose tenant does not exist.
set local visapi.unknown_tenants = 'on'

-- name: and_workflows
-- Only these workflows and what belongs to them, for a key that is limited to them.
set local visapi.workflows = '{workflows}'

-- name: commit
commit

-- name: rollback
rollback
