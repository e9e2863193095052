-- name: write
inputs_recorded as (
    insert into recorded_inputs (run, revision, events)
    select r.run, r.revision, r.events
    from {recorded_inputs} as r
    join done d on d.id = r.run
    on conflict (run, revision) do nothing
)
