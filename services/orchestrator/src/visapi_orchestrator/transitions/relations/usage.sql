-- What runs have used. Listeners of schedules are no runs of anybody.

-- name: write
usage_counted as (
    insert into usage_deltas (tenant, namespace, name, completed, faulted, cancelled, tasks, artifact_bytes)
    select
        tenant, namespace, name, count(*) filter (where status = 'completed'),
        count(*) filter (where status = 'faulted'), count(*) filter (where status = 'cancelled'),
        count(*) filter (where status = 'task'), sum(bytes)
    from (
        select tenant, namespace, name, end_status as status, 0::bigint as bytes from ended where not quiet
        union all
        select d.tenant, d.namespace, d.name, 'task', 0
        from tasks_put t join live d on d.id = t.run where t.attempt = 1 and not d.quiet
        union all
        select d.tenant, d.namespace, d.name, 'stored', s.bytes
        from {stored_bytes} as s join done d on d.id = s.run where not d.quiet
    ) as used
    group by tenant, namespace, name
)
