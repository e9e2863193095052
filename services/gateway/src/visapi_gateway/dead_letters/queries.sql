-- Dead letters: the gateway reads them, and records each decision with its actor.

-- name: list_dead_letters
-- The kind is compared as the index spells it: under a policy `coalesce` is no condition of an index.
select id, tenant, service, coalesce(kind, 'task') as kind, reason, detail, run, path, attempt, function, workflow, item,
    coalesce(octet_length(body), 0) as size, substring(body for $6) as start, created_at,
    resolved_at, resolved_by, resolution, replayed_at, edited_at, edited_by,
    coalesce(kind, 'task') = 'event' and not exists (
        select from events_in e
        where e.tenant = dead_letters.tenant and e.source = dead_letters.item[1] and e.id = dead_letters.item[2] and not e.publish
    ) as published
from dead_letters
where tenant = $1 and ($2::uuid is null or id < $2)
    and ($3::boolean is null or (resolved_at is not null) = $3)
    and ($4::text is null or case when kind is null then 'task' else kind end = $4)
    and ($7::text is null or reason = $7) and ($8::text is null or function = $8)
    and ($9::text is null or workflow = $9)
    and ($10::timestamptz is null or created_at >= $10) and ($11::timestamptz is null or created_at < $11)
order by id desc limit $5

-- name: list_with_unknown_tenants
-- As `list_dead_letters`, with the letters whose tenant does not exist. Their names lie in the gaps between those
-- of tenants, and are found by steps through an index; the letters of other tenants are never looked at.
with recursive gaps as (
    select id as low, coalesce(lead(id) over (order by id), U&'\+10FFFF') as high from tenants
    union all
    select '', coalesce(min(id), U&'\+10FFFF') from tenants
),
names as (
    select g.high, (
        select d.tenant from dead_letters d where d.tenant > g.low and d.tenant < g.high order by d.tenant limit 1
    ) as tenant
    from gaps g
    union all
    select n.high, (
        select d.tenant from dead_letters d where d.tenant > n.tenant and d.tenant < n.high order by d.tenant limit 1
    )
    from names n where n.tenant is not null
),
whose as (
    select $1::text as tenant
    union all
    select ''
    union all
    select tenant from names where tenant is not null
)
select d.* from whose w cross join lateral (
    select id, tenant, service, coalesce(kind, 'task') as kind, reason, detail, run, path, attempt, function, workflow, item,
        coalesce(octet_length(body), 0) as size, substring(body for $6) as start, created_at,
        resolved_at, resolved_by, resolution, replayed_at, edited_at, edited_by,
        coalesce(kind, 'task') = 'event' and not exists (
            select from events_in e
            where e.tenant = dead_letters.tenant and e.source = dead_letters.item[1] and e.id = dead_letters.item[2]
                and not e.publish
        ) as published
    from dead_letters
    where tenant = w.tenant and ($2::uuid is null or id < $2)
        and ($3::boolean is null or (resolved_at is not null) = $3)
        and ($4::text is null or case when kind is null then 'task' else kind end = $4)
        and ($7::text is null or reason = $7) and ($8::text is null or function = $8)
        and ($9::text is null or workflow = $9)
        and ($10::timestamptz is null or created_at >= $10) and ($11::timestamptz is null or created_at < $11)
    order by id desc limit $5
) as d
order by d.id desc limit $5

-- name: dead_letter
-- Of a tenant that the policies of the transaction show, as for the statements below.
select id, tenant, service, coalesce(kind, 'task') as kind, reason, detail, run, path, attempt, function, workflow, item,
    coalesce(octet_length(body), 0) as size, substring(body for $2) as start, created_at,
    resolved_at, resolved_by, resolution, replayed_at, edited_at, edited_by,
    coalesce(kind, 'task') = 'event' and not exists (
        select from events_in e
        where e.tenant = dead_letters.tenant and e.source = dead_letters.item[1] and e.id = dead_letters.item[2] and not e.publish
    ) as published
from dead_letters where id = $1

-- name: message_of
select coalesce(l.item[1], '') as subject, coalesce(l.headers, '{}') as headers, coalesce(l.body, '') as body,
    exists (select from tenants t where t.id = l.tenant) as tenant_exists
from dead_letters l where l.id = $1 and l.kind = 'message'

-- name: resolve_dead_letter
update dead_letters set resolved_at = now(), resolved_by = $2, resolution = $3
where id = $1 and resolved_at is null
returning id

-- name: hashes
-- An event that cannot be matched is published nevertheless where its row says `publish`. The row is deleted before
-- the dead letter; without the row, whether the event was published is unknown.
select encode(sha256(coalesce(l.body, '')), 'hex') as before, encode(sha256($2::bytea), 'hex') as after,
    l.kind = 'event' and not exists (
        select from events_in e where e.tenant = l.tenant and e.source = l.item[1] and e.id = l.item[2] and not e.publish
    ) as published
from dead_letters l where l.id = $1

-- name: edit
-- The new body is structured; the headers of the message described the earlier bytes.
update dead_letters l set body = $2, headers = null, edited_at = now(), edited_by = $3
where l.id = $1 and l.resolved_at is null and encode(sha256(coalesce(l.body, '')), 'hex') = $4
    and (l.kind is distinct from 'event' or exists (
        select from events_in e where e.tenant = l.tenant and e.source = l.item[1] and e.id = l.item[2] and not e.publish
    ))
returning l.id
