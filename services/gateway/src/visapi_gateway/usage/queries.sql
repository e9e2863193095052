-- What a tenant used. The orchestrator adds the rows of `usage_deltas` up in `usage_days`. Both tables are read in one
-- snapshot, so that nothing is missing and nothing is counted twice. The bounds of days are subqueries: under row-level
-- security a `coalesce` in the condition itself is no condition of the index.

-- name: usage_rows
-- By day and workflow, after ($6, $7, $8). Of each table the first $9 are enough.
select day, namespace, name, sum(accepted)::bigint as accepted, sum(retried)::bigint as retried,
    sum(completed)::bigint as completed, sum(faulted)::bigint as faulted, sum(cancelled)::bigint as cancelled,
    sum(tasks)::bigint as tasks, sum(deliveries)::bigint as deliveries, sum(artifact_bytes)::bigint as artifact_bytes
from (
    (
        select day, namespace, name, accepted, retried, completed, faulted, cancelled, tasks, deliveries, artifact_bytes
        from usage_days
        where tenant = $1
            and day >= (select coalesce($6::date, $2::date, coalesce($3::date, (now() at time zone 'utc')::date) - 29))
            and day <= (select coalesce($3::date, (now() at time zone 'utc')::date))
            and ($4::text is null or (namespace = $4 and name = $5))
            and ($6::date is null or (day, namespace, name) > ($6, $7, $8))
        order by day, namespace, name limit $9
    )
    union all
    (
        select day, namespace, name, sum(accepted), sum(retried), sum(completed), sum(faulted), sum(cancelled),
            sum(tasks), sum(deliveries), sum(artifact_bytes)
        from usage_deltas
        where tenant = $1
            and day >= (select coalesce($6::date, $2::date, coalesce($3::date, (now() at time zone 'utc')::date) - 29))
            and day <= (select coalesce($3::date, (now() at time zone 'utc')::date))
            and ($4::text is null or (namespace = $4 and name = $5))
            and ($6::date is null or (day, namespace, name) > ($6, $7, $8))
        group by day, namespace, name
        order by day, namespace, name limit $9
    )
) as used
group by day, namespace, name
order by day, namespace, name limit $9

-- name: usage_sums
-- By day ($10), else by workflow, after ($6, $7, $8), of which a sum has the day or the workflow.
select day, namespace, name, sum(accepted)::bigint as accepted, sum(retried)::bigint as retried,
    sum(completed)::bigint as completed, sum(faulted)::bigint as faulted, sum(cancelled)::bigint as cancelled,
    sum(tasks)::bigint as tasks, sum(deliveries)::bigint as deliveries, sum(artifact_bytes)::bigint as artifact_bytes
from (
    select case when $10 then u.day end as day, case when not $10 then u.namespace end as namespace,
        case when not $10 then u.name end as name, accepted, retried, completed, faulted, cancelled, tasks, deliveries,
        artifact_bytes
    from (
        select day, namespace, name, accepted, retried, completed, faulted, cancelled, tasks, deliveries, artifact_bytes
        from usage_days
        where tenant = $1
            and day >= (select coalesce($2::date, coalesce($3::date, (now() at time zone 'utc')::date) - 29))
            and day <= (select coalesce($3::date, (now() at time zone 'utc')::date))
        union all
        select day, namespace, name, accepted, retried, completed, faulted, cancelled, tasks, deliveries, artifact_bytes
        from usage_deltas
        where tenant = $1
            and day >= (select coalesce($2::date, coalesce($3::date, (now() at time zone 'utc')::date) - 29))
            and day <= (select coalesce($3::date, (now() at time zone 'utc')::date))
    ) as u
    where ($4::text is null or (namespace = $4 and name = $5))
) as used
where ($10 and ($6::date is null or day > $6)) or (not $10 and ($7::text is null or (namespace, name) > ($7, $8)))
group by day, namespace, name
order by day, namespace, name limit $9
