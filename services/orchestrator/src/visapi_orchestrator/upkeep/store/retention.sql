-- How long ended runs are kept: classes, their partitions, and what is in them (core/retention.py).
-- Tables are made and dropped by functions of the owner (`0001_baseline.sql`).

-- name: keep_by_default
-- The class of namespaces without a policy.
update retention_classes set days = $1 where name = 'standard' and days <> $1

-- name: classes
select name, days, width, (now() at time zone 'utc')::date as today from retention_classes order by days, name

-- name: partitions
-- From the catalogue, each with the ids at both ends of its range.
select p.relname::text as parent, b.bound[1] as first_id, b.bound[2] as past_id
from pg_class p
join pg_inherits i on i.inhparent = p.oid
join pg_class c on c.oid = i.inhrelid
cross join lateral regexp_match(
    pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([0-9a-f-]{36})''\) TO \(''([0-9a-f-]{36})''\)'
) as b (bound)
where p.relnamespace = 'visapi'::regnamespace and p.relkind = 'p' and b.bound is not null

-- name: make
select make_partition($1, $2, $3, $4)

-- name: lock
select lock_partition($1, $2, $3)

-- name: drop
select drop_partition($1, $2, $3)

-- name: runs_needed
-- Of a partition of runs: one that goes on (its rows come back here), or that ended too lately.
select exists (
    select from runs where retention = $1 and id >= first_id_of($2) and id < first_id_of($3)
) or exists (
    select from runs_done
    where retention = $1 and id >= first_id_of($2) and id < first_id_of($3)
        and ended_at >= now() - make_interval(days => $4)
)

-- name: rows_needed
-- Of a partition of histories or attributes: a run that has any.
select exists (
    select from runs where retention = $1 and id >= first_id_of($2) and id < first_id_of($3)
) or exists (
    select from runs_done where retention = $1 and id >= first_id_of($2) and id < first_id_of($3)
)

-- name: forget_traces
-- What else is known of the runs of a partition that is dropped now.
with gone as materialized (
    select id from runs_done where retention = $1 and id >= first_id_of($2) and id < first_id_of($3)
),
dead_letters_deleted as (delete from dead_letters l using gone g where l.run = g.id),
effects as (delete from started_effects e using gone g where e.run = g.id)
delete from recorded_inputs r using gone g where r.run = g.id

-- name: forget_runs
-- One by one, where a partition cannot go. A run that is resumed at this moment stays.
with old as materialized (
    select id from runs_done
    where retention = $1 and id >= first_id_of($2) and id < first_id_of($3)
        and ended_at < now() - make_interval(days => $4)
    order by id limit $5
    for update skip locked
),
runs_gone as (
    delete from runs_done d using old o
    where d.retention = $1 and d.id >= first_id_of($2) and d.id < first_id_of($3) and d.id = o.id
),
history_gone as (
    delete from history h using old o
    where h.retention = $1 and h.run >= first_id_of($2) and h.run < first_id_of($3) and h.run = o.id
),
attributes_gone as (
    delete from run_attributes a using old o
    where a.retention = $1 and a.run >= first_id_of($2) and a.run < first_id_of($3) and a.run = o.id
),
dead_letters_gone as (delete from dead_letters l using old o where l.run = o.id),
effects_gone as (delete from started_effects e using old o where e.run = o.id),
inputs_gone as (delete from recorded_inputs r using old o where r.run = o.id)
select count(*) from old
