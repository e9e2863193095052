-- The promise: the statement that accepts a batch of runs, and the ones that find out what became of it.

-- name: accept
-- One statement is one transaction and one round trip. `scope` names the batch's tenants before any
-- row is checked against the policies; a run whose key is taken is not inserted, and not returned.
with scope as materialized (
    select set_config('visapi.tenants', $1, true)
), wanted as materialized (
    select u.* from {new_runs} as u, scope
), keyed as (
    insert into idempotency (tenant, key, run, body_hash)
    select tenant, key, id, body_hash from wanted where key is not null order by tenant, key
    on conflict do nothing
    returning run
), started as (
    insert into runs (
        id, tenant, namespace, name, version, program, partition, retention, trace, input, started_by, created_at,
        rerun_of, test
    )
    select
        w.id, w.tenant, w.namespace, w.name, w.version, w.program, w.partition, coalesce(p.class, 'standard'),
        w.trace, w.input, w.started_by, w.created_at, w.rerun_of, w.test
    from wanted w
    left join retention_policies p on p.tenant = w.tenant and p.namespace = w.namespace
    where w.key is null or w.id in (select run from keyed)
    returning id
), counted as (
    insert into usage_deltas (tenant, namespace, name, accepted, artifact_bytes)
    select w.tenant, w.namespace, w.name, count(*), sum(w.stored_bytes)
    from started s join wanted w on w.id = s.id
    group by w.tenant, w.namespace, w.name
)
select id from started

-- name: taken_keys
select i.tenant, i.key, i.run, i.body_hash
from unnest($1::text[], $2::text[]) as u (tenant, key)
join idempotency i on i.tenant = u.tenant and i.key = u.key

-- name: present_runs
select id from runs where id = any ($1::uuid[])
union
select id from runs_done where id = any ($1::uuid[])
