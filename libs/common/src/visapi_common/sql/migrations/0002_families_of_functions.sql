-- Functions that serve all tenants are told by the first word of their name (`contracts/subjects.py`), so that a new
-- function of a built-in worker needs no migration.
drop index tasks_sent;
create index tasks_sent on tasks (function, tenant)
where sent_at is not null and state <> 'uncertain'
    and split_part(function, '.', 1) in ('http', 'notify', 'openapi', 'pdf');
