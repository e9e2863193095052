-- The functions that workers announced, and whether PostgreSQL answers.

-- name: list_functions
select distinct on (name) name, spec from functions
where (owner = $1 or owner = '_') and quarantined_at is null
order by name, announced_at desc

-- name: ping
select 1
