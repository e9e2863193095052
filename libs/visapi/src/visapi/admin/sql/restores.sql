-- What a restored database knows, read by its owner before the services start again. Row-level security binds the
-- owner too; it is lifted in a transaction that is rolled back.

-- name: lift_policies
alter table visapi.runs no force row level security;
alter table visapi.runs_done no force row level security;
alter table visapi.history no force row level security;
alter table visapi.inbox no force row level security

-- name: hold
insert into visapi.restores (at, before) values (now(), $1)

-- name: release
delete from visapi.restores

-- name: holds
select exists (select from visapi.restores)

-- name: view
select
    (select count(*) from visapi.runs) as open_runs,
    (select max(created_at) from (
        (select created_at from visapi.runs order by id desc limit 1)
        union all
        (select max(created_at) from visapi.runs_done)
    ) as newest) as newest

-- name: unknown_runs
select u.id
from unnest($1::uuid []) as u (id)
where
    not exists (select from visapi.runs r where r.id = u.id)
    and not exists (select from visapi.runs_done d where d.id = u.id)
order by u.id

-- name: texts
-- Everything of a tenant's that may name an artifact or a large value.
declare texts cursor for
select tenant, input as text from visapi.runs
union all
select tenant, state from visapi.runs where state is not null
union all
select tenant, input from visapi.runs_done
union all
select tenant, output from visapi.runs_done where output is not null
union all
select tenant, items from visapi.history
union all
select tenant, message from visapi.tasks
union all
select tenant, body from visapi.inbox
union all
select tenant, outcome from visapi.deliveries where outcome is not null
