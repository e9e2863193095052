-- name: write
collected as (
    insert into collections (run, key, tenant, namespace, name, body, size, began_at)
    select c.run, c.key, c.tenant, c.namespace, c.name, c.body, c.size, to_timestamp(c.began_ms / 1000.0)
    from {collections} as c
    join done d on d.id = c.run
    on conflict (run, key) do update
    set body = excluded.body, size = excluded.size, began_at = excluded.began_at
),
uncollected as (
    delete from collections c using {removed_collections} as g, done d
    where c.run = g.run and c.key = g.key and d.id = g.run
),
events_refused as (
    -- A flood leaves so many dead letters of one listener; all are counted.
    insert into dead_letters (id, tenant, service, reason, detail, run, kind, item, body, digest)
    select
        e.id, e.tenant, 'orchestrator', e.reason, e.detail, e.run, 'inbox', array[e.inbox_key, 'event'],
        e.body, e.digest
    from {refused_events} as e
    join done d on d.id = e.run
    where e.n + (
        select count(*)
        from (select from dead_letters l where l.run = e.run and l.resolved_at is null limit 1000) as known
    ) <= 1000
    on conflict (digest) where resolved_at is null do nothing
)
