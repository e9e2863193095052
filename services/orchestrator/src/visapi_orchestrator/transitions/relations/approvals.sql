-- Questions to people: part of the transition's transaction. `lock` and `unread` come before `write_batch`: a run
-- that does not know of a decision yet is not written. `write_approvals` comes after `write_batch`, for the runs that
-- it has updated ($1).

-- name: lock
select 1 from approvals a
join unnest($1::text[], $2::uuid[]) as q (tenant, id) on a.tenant = q.tenant and a.id = q.id
order by a.tenant, a.id
for update of a

-- name: unread
-- A statement of its own, so that it sees what was committed while `lock` waited.
select distinct i.run from inbox i
join {unread_decisions} as u on i.run = u.run and i.key = u.key

-- name: write
-- The rows of one transition name an approval once at most.
approvals_closed as (
    update approvals a
    set state = c.state, decision = c.decision, comment = c.comment, decided_by = c.decided_by,
        closed_at = to_timestamp(c.at_ms / 1000.0)
    from {closed_approvals} as c
    join done d on d.id = c.run
    where a.tenant = c.tenant and a.id = c.id and a.state = 'open'
),
approvals_opened as (
    insert into approvals (
        tenant, id, run, path, workflow, task, shown, approvers, keys, asked_at, expires_at
    )
    select
        o.tenant, o.id, o.run, o.path, o.workflow, o.task, o.shown,
        array(select jsonb_array_elements_text(o.approvers::jsonb)),
        array(select decode(key, 'hex') from jsonb_array_elements_text(o.keys::jsonb) as k (key)),
        to_timestamp(o.asked_ms / 1000.0), to_timestamp(o.expires_ms / 1000.0)
    from {opened_approvals} as o
    join done d on d.id = o.run
    on conflict (tenant, id) do update set
        state = 'open', shown = excluded.shown, workflow = excluded.workflow, approvers = excluded.approvers,
        keys = excluded.keys, asked_at = excluded.asked_at, expires_at = excluded.expires_at,
        decision = null, comment = null, decided_by = null, closed_at = null
)

-- name: sweep_approvals
-- What is over stays for 30 days, for whoever opens an old link.
delete from approvals where ctid = any(array(
    select ctid from approvals where state <> 'open' and closed_at < now() - interval '30 days' limit $1
))
