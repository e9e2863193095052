-- name: write
events_emitted as (
    insert into events_in (tenant, source, id, type, body, publish)
    select e.tenant, e.source, e.id, e.type, e.body, true
    from {emitted_events} as e
    join done d on d.id = e.run
    on conflict do nothing
)
