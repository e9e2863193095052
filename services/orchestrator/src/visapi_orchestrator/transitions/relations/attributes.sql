-- Search attributes, written only when they changed. Part of the transition's transaction, before
-- `write_batch`: it raises the revision and moves the rows of ended runs as they are then.

-- name: set_attributes
-- Index scans of runs_pkey and run_attributes_by_run, for runs whose compare-and-set will hold.
with changed as (
    update runs r
    set attributes = i.attributes::jsonb
    from {attributes} as i
    where r.id = i.run and r.revision = i.revision
    returning r.id, r.retention
),
gone as (
    delete from run_attributes a using changed c where a.retention = c.retention and a.run = c.id
)
select id from changed

-- name: index_attributes
-- One row per value, of a list one per text. In a statement of its own: it sees what the one before did.
insert into run_attributes (retention, run, tenant, name, value, folded, number)
select
    r.retention, r.id, r.tenant, a.name, v.value, lower(v.value),
    case when jsonb_typeof(a.given) = 'number' then v.value::float8 end
from runs r
cross join lateral jsonb_each(r.attributes) as a (name, given)
cross join lateral (
    select distinct coalesce(one, 'null') from jsonb_array_elements_text(
        case jsonb_typeof(a.given) when 'array' then a.given else jsonb_build_array(a.given) end
    ) as t (one)
) as v (value)
where r.id = any($1::uuid[])
