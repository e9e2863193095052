-- What a transition asks of others: runs to start, runs to tell, events to hear and to bring into the
-- world. Part of the transition's transaction, after `write_batch`, for runs that it has updated ($1).

-- name: write_family
with done as (select id from unnest($1::uuid[]) as d (id)),
children as (
    insert into runs (
        id, tenant, namespace, name, version, program, partition, retention, trace, input, started_by,
        priority, parent, parent_path, root, depth
    )
    select
        c.id, c.tenant, c.namespace, c.name, c.version, decode(c.program, 'hex'),
        get_byte(uuid_send(c.id), 15) & 63, coalesce(p.class, 'standard'), c.trace, c.input, 'run:' || c.parent, c.priority,
        c.parent, c.parent_path, c.root, c.depth
    from unnest(
        $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::bytea[], $12::smallint[], $33::uuid[], $34::smallint[]
    ) as c (id, parent, parent_path, tenant, namespace, name, version, program, trace, input, priority, root, depth)
    join done d on d.id = c.parent
    left join retention_policies p on p.tenant = c.tenant and p.namespace = c.namespace
    on conflict do nothing
),
-- A run that has ended meanwhile needs to be told nothing, but to be taken up again, and what comes after.
told as (
    insert into inbox (run, key, tenant, kind, body)
    select t.run, t.key, t.tenant, t.kind, t.body
    from unnest($13::uuid[], $14::uuid[], $15::text[], $16::text[], $17::text[], $18::bytea[])
        as t (source, run, key, tenant, kind, body)
    join done d on d.id = t.source
    where t.kind = 'retry'
        or exists (select from runs r where r.id = t.run)
        or exists (select from inbox i where i.run = t.run and i.kind = 'retry')
    on conflict do nothing
),
subscribed as (
    insert into subscriptions (run, path, n, tenant, shape, key)
    select s.run, s.path, s.n, s.tenant, s.shape, s.key
    from unnest($19::uuid[], $20::text[], $21::smallint[], $22::text[], $23::text[], $24::bytea[])
        as s (run, path, n, tenant, shape, key)
    join done d on d.id = s.run
    on conflict (run, path, n) do update set shape = excluded.shape, key = excluded.key
),
unsubscribed as (
    delete from subscriptions s using unnest($25::uuid[], $26::text[]) as g (run, path), done d
    where s.run = g.run and s.path = g.path and d.id = g.run
)
insert into events_in (tenant, source, id, type, body, publish)
select e.tenant, e.source, e.id, e.type, e.body, true
from unnest($27::uuid[], $28::text[], $29::text[], $30::text[], $31::text[], $32::bytea[])
    as e (run, tenant, source, id, type, body)
join done d on d.id = e.run
on conflict do nothing

-- name: definition
-- A version of a workflow and its program; the highest when none is asked for.
select version, encode(program, 'hex') as program from workflows
where tenant = $1 and namespace = $2 and name = $3 and ($4::text is null or version = $4)
order by version_order desc limit 1
