-- Which version of a template a task means.

-- name: resolve_templates
-- $6: the families of functions whose owner is `_`. A retired name is unknown; its versions are not.
select
    c.number, case when t.retired_at is null then t.latest end as latest, v.version, encode(v.sha256, 'hex') as sha256
from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::int[])
    with ordinality as c (run, path, attempt, name, version, number)
join tasks k on k.run = c.run and k.path = c.path and k.attempt = c.attempt
left join templates t on t.tenant = k.tenant and t.name = c.name
left join template_versions v on v.tenant = t.tenant and v.name = t.name
    and v.version = coalesce(c.version, case when t.retired_at is null then t.latest end)
where split_part(k.function, '.', 1) = any($6::text[])
