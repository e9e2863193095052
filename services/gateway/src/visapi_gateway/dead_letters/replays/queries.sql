-- Replays of many dead letters: counted, written down, read and aborted. The orchestrator carries them out.

-- name: count_letters
-- Open dead letters that can be replayed, by the same conditions as in the orchestrator.
select count(*) from (
    select from dead_letters
    where tenant = $1 and resolved_at is null and id < $2 and kind = any($3::text[])
        and ($4::text is null or kind = $4) and ($5::text is null or reason = $5)
        and ($6::text is null or function = $6) and ($7::text is null or workflow = $7)
        and ($8::timestamptz is null or created_at >= $8) and ($9::timestamptz is null or created_at < $9)
    limit $10
) as few

-- name: lock_replays
-- A replay that starts at the same moment waits here, and then counts this one.
select pg_advisory_xact_lock(hashtextextended('visapi.replays/' || $1::text, 0))

-- name: add_replay
-- None where $11 replays run.
insert into dead_letter_replays (
    tenant, id, kind, reason, function, workflow, created_after, created_before, rate_per_s, counted, created_by
)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12
where (select count(*) from dead_letter_replays where tenant = $1 and state = 'running') < $11
returning id

-- name: one_replay
select id, kind, reason, function, workflow, created_after, created_before, rate_per_s, state, counted, asked,
    replayed, failed, created_at, created_by, ended_at, ended_by
from dead_letter_replays where tenant = $1 and id = $2

-- name: list_replays
select id, kind, reason, function, workflow, created_after, created_before, rate_per_s, state, counted, asked,
    replayed, failed, created_at, created_by, ended_at, ended_by
from dead_letter_replays
where tenant = $1 and ($2::uuid is null or id < $2)
order by id desc limit $3

-- name: abort_replay
update dead_letter_replays set state = 'aborted', ended_at = now(), ended_by = $3
where tenant = $1 and id = $2 and state = 'running'
returning id
