-- Flow control as people see it; the orchestrator writes these rows.

-- name: list_limits
-- Keys in order, after ($3, $4). $2: those of one workflow. An inherited slot is that of a run further up.
select scope, key,
    max(lim) as lim,
    count(*) filter (where holds) as under_way,
    count(*) filter (where not holds) as waiting,
    min(since) filter (where not holds) as waiting_since,
    min(ready_at) filter (where ready_at > now()) as next_turn
from (
    select scope, key, lim, true as holds, since, null::timestamptz as ready_at
    from flow_slots where tenant = $1 and not inherited
    union all
    select scope, key, lim, false, since, ready_at from flow_waiting where tenant = $1
) as places
where ($2::text is null or scope = $2) and ($3::text is null or (scope, key) > ($3, $4))
group by scope, key
order by scope, key
limit $5
