-- What tenants use: rows of `usage_deltas` are added up by day and workflow, and old days go.

-- name: fold
-- One statement is one transaction: a row is added and deleted, or neither. One replica at a time adds up, for all;
-- $1 rows at once, in the order of the primary key.
with lease as materialized (select pg_try_advisory_xact_lock(5647217) as mine),
old as materialized (
    select tenant, id from usage_deltas where (select mine from lease) order by tenant, id limit $1
),
taken as (
    delete from usage_deltas d using old o where d.tenant = o.tenant and d.id = o.id
    returning d.*
),
folded as (
    insert into usage_days as u (
        tenant, day, namespace, name, accepted, retried, completed, faulted, cancelled, tasks, deliveries,
        artifact_bytes
    )
    select
        tenant, day, namespace, name, sum(accepted), sum(retried), sum(completed), sum(faulted), sum(cancelled),
        sum(tasks), sum(deliveries), sum(artifact_bytes)
    from taken
    group by tenant, day, namespace, name
    order by tenant, day, namespace, name
    on conflict (tenant, day, namespace, name) do update
    set accepted = u.accepted + excluded.accepted, retried = u.retried + excluded.retried,
        completed = u.completed + excluded.completed, faulted = u.faulted + excluded.faulted,
        cancelled = u.cancelled + excluded.cancelled, tasks = u.tasks + excluded.tasks,
        deliveries = u.deliveries + excluded.deliveries,
        artifact_bytes = u.artifact_bytes + excluded.artifact_bytes
)
select count(*) from taken

-- name: sweep
delete from usage_days where ctid = any (array(
    select ctid from usage_days where day < (now() at time zone 'utc')::date - $1::int order by day limit $2
    for update skip locked
))
