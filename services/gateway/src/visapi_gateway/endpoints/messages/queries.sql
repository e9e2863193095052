-- Webhooks to endpoints: read with their attempts, tried, and sent again.

-- name: endpoint_state
select enabled from endpoints where tenant = $1 and id = $2 and deleted_at is null

-- name: list_messages
select id, seq, type, state, attempts, size, created_at, next_at, ended_at
from endpoint_messages
where tenant = $1 and endpoint = $2 and ($3::bigint is null or seq < $3)
order by seq desc limit $4

-- name: list_messages_of_state
-- As `list_messages`; an endpoint has at most so many messages as the orchestrator lets it have.
select id, seq, type, state, attempts, size, created_at, next_at, ended_at
from endpoint_messages
where tenant = $1 and endpoint = $2 and ($3::bigint is null or seq < $3) and state = $5
order by seq desc limit $4

-- name: one_message
select m.id, m.seq, m.type, m.state, m.attempts, m.size, m.created_at, m.next_at, m.ended_at, n.at, n.data
from endpoint_messages m join endpoint_news n on n.tenant = m.tenant and n.seq = m.news
where m.id = $3 and m.tenant = $1 and m.endpoint = $2

-- name: attempts_of
select number, at, took_ms, status, error, response from endpoint_attempts
where message = $1 and tenant = $2 order by number desc limit $3

-- name: add_ping
-- For this endpoint alone. None where the newest $7 messages of the endpoint are pings of the last hour.
with latest as (
    select type, created_at from endpoint_messages where tenant = $1 and endpoint = $2 order by seq desc limit $7
), news as (
    insert into endpoint_news (tenant, type, about, at, data, waiting)
    select $1, $4, $2::uuid::text, $5, $6, false
    where (select count(*) from latest where type = $4 and created_at > now() - interval '1 hour') < $7
    returning seq
)
insert into endpoint_messages (tenant, endpoint, id, news, type, size)
select $1, $2, $3, seq, $4, octet_length($6) from news
returning id

-- name: replay_message
-- Ten attempts more, beginning now, or when the attempt that is under way must have ended. Its sender no longer holds
-- the message, so its end changes nothing; yet an ordered endpoint is sent nothing else meanwhile. The message keeps its
-- id. None beyond $4 attempts.
update endpoint_messages
set state = 'pending', attempts_left = 10, ended_at = null,
    lease_owner = case when state = 'pending' and lease_owner is not null then 'replayed' end,
    next_at = case when state = 'pending' and (lease_owner is not null or attempts_left = 10) then next_at else now() end
where id = $3 and tenant = $1 and endpoint = $2 and attempts < $4
returning id

-- name: close_letter
-- The dead letter of a webhook that is sent again; the notifier gives it this digest.
update dead_letters set resolved_at = now(), resolved_by = $3, resolution = $4
where digest = sha256(convert_to('webhook/' || $1::uuid::text, 'UTF8')) and tenant = $2 and resolved_at is null
