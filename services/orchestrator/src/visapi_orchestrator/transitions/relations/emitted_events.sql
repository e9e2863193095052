-- name: write
events_emitted as (
    -- An event of a test run reaches test runs, and nobody outside.
    insert into events_in (tenant, source, id, type, body, publish, test)
    select e.tenant, e.source, e.id, e.type, e.body, not e.test, e.test
    from {emitted_events} as e
    join done d on d.id = e.run
    on conflict do nothing
)
