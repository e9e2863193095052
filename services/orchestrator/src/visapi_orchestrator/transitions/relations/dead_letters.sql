-- name: write
dead_letters_in as (
    select l.*, d.id as known
    from {dead_letters} as l
    join done d on d.id = l.run
),
dead_letters_written as (
    insert into dead_letters (id, tenant, service, reason, detail, run, path, attempt, function, workflow, body)
    select
        l.id, l.tenant, 'orchestrator', l.reason, l.detail, l.run, l.path, l.attempt,
        coalesce(nullif(l.function, ''), t.function), l.workflow, t.message
    from dead_letters_in l left join tasks t on t.run = l.run and t.path = l.path
    on conflict (run, path, attempt, reason) do nothing
    returning run, path, attempt, reason
),
held as (
    update tasks t set state = 'uncertain' from dead_letters_in l
    where l.held and t.run = l.run and t.path = l.path and t.attempt = l.attempt
),
dead_letters_resolved as (
    update dead_letters o
    set resolved_at = now(), resolved_by = c.actor, resolution = c.decision
    from {resolved_letters} as c
    join done d on d.id = c.run
    where o.run = c.run and o.path = c.path and o.reason = 'uncertain' and o.resolved_at is null
)

-- name: written
select run, path, attempt, reason from dead_letters_written
