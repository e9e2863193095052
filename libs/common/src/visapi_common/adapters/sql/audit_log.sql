-- The audit: appended under a lock of the tenant's chain, by the transaction that did what is recorded.

-- name: lock_chain
-- The last thing a transaction waits for: who holds it needs no other lock, so nobody waits in a circle.
select pg_advisory_xact_lock(hashtextextended('visapi.audit/' || $1::text, 0))

-- name: chain_end
-- A statement of its own, after the lock: its snapshot holds the row that the lock's last holder wrote.
select clock_timestamp() as now, last.seq, encode(last.hash, 'hex') as hash
from (select 1) as one left join lateral (
    select seq, hash from visapi.audit where tenant = $1 order by seq desc limit 1
) as last on true

-- name: append
insert into visapi.audit (tenant, seq, at, actor, action, target, reason, request_id, details, previous, hash)
select $1, seq, at, actor, action, target, reason, request_id, details, previous, hash
from unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::bytea[], $10::bytea[], $11::bytea[])
    as u (seq, at, actor, action, target, reason, request_id, details, previous, hash)
