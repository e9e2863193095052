-- Approvals of one workflow, and of one namespace, lie together for keys that are limited to them; by bytes, so that the
-- versions of a workflow do, whatever the collation of the database.
create index concurrently approvals_by_workflow on approvals (tenant, workflow collate "C", id) include (state);
