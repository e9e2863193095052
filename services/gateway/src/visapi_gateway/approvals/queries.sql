-- Questions of workflows: the gateway shows them, and records who decided what, once.

-- name: list_approvals
-- Index scan backward of approvals_open while only open ones are asked for.
select id, state, run, path, workflow, task, shown, approvers, asked_at, expires_at, decision, comment, decided_by,
    closed_at, coalesce(expires_at <= clock_timestamp(), false) as late
from approvals
where tenant = $1 and ($2::uuid is null or id < $2) and ($3::text is null or state = $3)
    and ($4::uuid is null or run = $4)
order by id desc limit $5

-- name: list_approvals_of_workflows
-- As `list_approvals`, for a key that sees the workflows from each of $4 to below the same of $5 only. `offset 0`: else the
-- planner might read all approvals in the order of their ids, and skip those of other workflows.
select id, state, run, path, workflow, task, shown, approvers, asked_at, expires_at, decision, comment, decided_by,
    closed_at, coalesce(expires_at <= clock_timestamp(), false) as late
from approvals
where tenant = $1 and id = any (array(
    select one.id from unnest($4::text[], $5::text[]) as span (first, past) cross join lateral (
        select id from approvals
        where tenant = $1 and workflow collate "C" >= span.first and workflow collate "C" < span.past
            and ($2::uuid is null or id < $2) and ($3::text is null or state = $3)
        offset 0
    ) as one
    order by one.id desc limit $6
))
order by id desc

-- name: approval
-- Whose link it is stands in `holder`; null where there is no such link ($3: the hash of its key).
select id, state, run, path, workflow, task, shown, approvers, asked_at, expires_at, decision, comment, decided_by,
    closed_at, coalesce(expires_at <= clock_timestamp(), false) as late,
    approvers[array_position(keys, $3::bytea)] as holder,
    coalesce((select r.test from runs r where r.id = approvals.run), false) as test
from approvals where tenant = $1 and id = $2

-- name: decide
-- Whoever comes second finds it decided; whoever comes from the deadline on finds it over.
update approvals
set state = 'decided', decision = $3, comment = $4, decided_by = $5, closed_at = clock_timestamp()
where tenant = $1 and id = $2 and state = 'open' and (expires_at is null or clock_timestamp() < expires_at)
returning run
