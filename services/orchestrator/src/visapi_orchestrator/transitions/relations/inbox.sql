-- name: remove_ended
inbox_of_ended as (
    -- A parent may ask, at this very moment, to retry a run that it had cancelled.
    delete from inbox i using ended e where i.run = e.id and not (i.kind = 'retry' and i.key like 'parent:%')
)

-- name: consume
inbox_consumed as (
    delete from inbox i using {consumed_inbox} as g, done d
    where i.run = g.run and i.key = g.key and d.id = g.run
)

-- name: write
-- A run that ended meanwhile takes nothing but a request to retry, and what follows that request.
inbox_written as (
    insert into inbox (run, key, tenant, kind, body)
    select t.recipient, t.key, t.tenant, t.kind, t.body
    from {inbox_writes} as t
    join done d on d.id = t.run
    where t.kind = 'retry'
        or exists (select from runs r where r.id = t.recipient)
        or exists (select from inbox i where i.run = t.recipient and i.kind = 'retry')
    on conflict do nothing
)
