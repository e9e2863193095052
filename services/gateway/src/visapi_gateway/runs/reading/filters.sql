-- Conditions on the runs `r` of one tenant ($1). Those that a filter states are put together, so the
-- planner sees no others. A run is found by its attributes through `run_attributes`: a range of an index
-- per condition, then runs by their ids. EXPLAIN ANALYZE as the gateway's role with 220,000 runs in 38
-- partitions, 660,000 attributes, a page of 50: index scans throughout; 1 to 10 ms for an attribute rare or
-- common, 2 ms for free text, 0.3 ms for a parent or a schedule, and 2 to 20 ms to plan over so many
-- partitions. With a million live and a million ended runs
-- a page touches some hundred pages of any of these (tests/integration/test_a_million_rows.py).

-- name: plan_anew
set local plan_cache_mode = force_custom_plan

-- name: workflows_named
-- The workflows in whose name a text occurs.
select distinct namespace || '/' || name as workflow from workflows
where tenant = $1 and strpos(lower(namespace || '/' || name), lower($2)) > 0
limit 200

-- name: newest_of
-- The newest runs of each of some workflows, for a key that is limited to them: without this a page would read all runs
-- of the tenant and hide those of other workflows. Within, `r` is the run of the inner statement.
and r.id in (
    select newest.id
    from unnest($3::text[], $4::text[]) as own (namespace, name)
    cross join lateral (
        select r.id from {table} r
        where r.tenant = $1 and not r.quiet and r.namespace = own.namespace and r.name = own.name
        {conditions}
        order by r.id desc limit $2
    ) as newest
    order by newest.id desc limit $2
)

-- name: before_id
and r.id < {0}::uuid

-- name: from_id
and r.id >= {0}::uuid

-- name: status
and r.status = any({0}::text[])

-- name: nowhere
and false

-- name: namespace
and r.namespace = {0}::text

-- name: name
and r.name = {0}::text

-- name: version
and r.version = {0}::text

-- name: parent
and r.parent = {0}::uuid

-- name: test
and r.test = {0}::boolean

-- name: top
and r.parent is null

-- name: schedule
and r.schedule = (
    select s.id from schedules s where s.tenant = $1 and s.namespace = {0}::text and s.name = {1}::text
)

-- name: attribute_is
and r.id in (
    select a.run from run_attributes a where a.tenant = $1 and a.name = {0}::text and a.value = {1}::text
)

-- name: attribute_at_least
and r.id in (
    select a.run from run_attributes a where a.tenant = $1 and a.name = {0}::text and a.number >= {1}::float8
)

-- name: attribute_at_most
and r.id in (
    select a.run from run_attributes a where a.tenant = $1 and a.name = {0}::text and a.number <= {1}::float8
)

-- name: attribute_above
and r.id in (
    select a.run from run_attributes a where a.tenant = $1 and a.name = {0}::text and a.number > {1}::float8
)

-- name: attribute_below
and r.id in (
    select a.run from run_attributes a where a.tenant = $1 and a.name = {0}::text and a.number < {1}::float8
)

-- name: text
-- Values that begin with the text in any case, and ids that begin with it.
and r.id in (
    select a.run from run_attributes a
    where a.tenant = $1 and a.folded >= lower({0}::text)
        and a.folded < lower({0}::text) || U&'\+10FFFF'
    union all
    select i.id from runs i where i.tenant = $1 and i.id between {1}::uuid and {2}::uuid
    union all
    select i.id from runs_done i where i.tenant = $1 and i.id between {1}::uuid and {2}::uuid
)

-- name: text_or_workflow
-- As `text`; the runs of a workflow are many, so they are not collected first.
and (
    r.namespace || '/' || r.name = any({3}::text[])
    or r.id between {1}::uuid and {2}::uuid
    or r.id in (
        select a.run from run_attributes a
        where a.tenant = $1 and a.folded >= lower({0}::text)
            and a.folded < lower({0}::text) || U&'\+10FFFF'
    )
)
