-- Events that producers post.

-- name: put_events
-- One statement is one transaction. Sorted, so that two requests with the same events cannot deadlock.
with scope as materialized (
    select set_config('visapi.tenants', $1, true)
), wanted as materialized (
    select distinct on (u.source, u.id) u.*
    from unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::boolean[]) with ordinality
        as u (source, id, type, body, test, n),
        scope
    order by u.source, u.id, u.n
)
-- Events of one request keep their order: a microsecond apart.
insert into events_in (tenant, source, id, type, body, received_at, test)
select $1, source, id, type, body, now() + n * interval '1 microsecond', test from wanted
on conflict do nothing
returning source, id
