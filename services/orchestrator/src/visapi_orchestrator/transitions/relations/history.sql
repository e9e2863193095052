-- name: write
history_written as (
    insert into history (run, first_seq, last_seq, tenant, retention, items)
    select d.id, h.first_seq, h.last_seq, d.tenant, d.retention, h.items
    from {history} as h
    join done d on d.id = h.run
)
