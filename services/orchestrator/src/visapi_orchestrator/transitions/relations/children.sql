-- name: write
children_started as (
    insert into runs (
        id, tenant, namespace, name, version, program, partition, retention, trace, input, started_by,
        priority, parent, parent_path, root, depth, created_at, test
    )
    select
        c.id, c.tenant, c.namespace, c.name, c.version, decode(c.program, 'hex'),
        get_byte(uuid_send(c.id), 15) & 63, coalesce(p.class, 'standard'), c.trace, c.input, 'run:' || c.run,
        c.priority, c.run, c.parent_path, c.root, c.depth, to_timestamp(c.created_ms / 1000.0), c.test
    from {children} as c
    join done d on d.id = c.run
    left join retention_policies p on p.tenant = c.tenant and p.namespace = c.namespace
    on conflict do nothing
    returning tenant, namespace, name
),
children_counted as (
    insert into usage_deltas (tenant, namespace, name, accepted)
    select tenant, namespace, name, count(*) from children_started group by tenant, namespace, name
)

-- name: definition
-- A version of a workflow and its program; the highest when none is asked for.
select version, encode(program, 'hex') as program from workflows
where tenant = $1 and namespace = $2 and name = $3 and ($4::text is null or version = $4)
order by version_order desc limit 1
