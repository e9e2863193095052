-- Deployed definitions. They never change; a new version is a new row.

-- name: put_program
insert into programs (hash, body) values ($1, $2) on conflict do nothing

-- name: put_workflow
insert into workflows (tenant, namespace, name, version, version_order, source_hash, source, media_type,
    program, created_by, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict do nothing
returning version

-- name: version
select w.namespace, w.name, w.version, w.source_hash, w.source, w.media_type, w.program, w.created_by,
    w.created_at, p.body
from workflows w join programs p on p.hash = w.program
where w.tenant = $1 and w.namespace = $2 and w.name = $3 and w.version = $4

-- name: highest_version
select version from workflows
where tenant = $1 and namespace = $2 and name = $3
order by version_order desc limit 1

-- name: list_versions
-- Programs are read until $6 bytes of them were; the first one always is, whatever its size.
select w.namespace, w.name, w.version, w.version_order, w.program, w.created_by, w.created_at,
    case when sum(octet_length(p.body)) over page <= $6 or row_number() over page = 1 then p.body end as body
from workflows w join programs p on p.hash = w.program
where w.tenant = $1 and w.namespace = $2 and w.name = $3 and ($4::text is null or w.version_order < $4)
window page as (order by w.version_order desc)
order by w.version_order desc limit $5

-- name: list_workflows
-- Programs are read as above.
select w.namespace, w.name, w.version, w.program, w.created_by, w.created_at,
    case when sum(octet_length(p.body)) over page <= $6 or row_number() over page = 1 then p.body end as body
from (
    select distinct on (namespace, name) * from workflows
    where tenant = $1 and ($2::text is null or (namespace, name) > ($2, $3))
        and ($4::text is null or namespace = $4)
    order by namespace, name, version_order desc
    limit $5
) as w join programs p on p.hash = w.program
window page as (order by w.namespace, w.name)
order by w.namespace, w.name
