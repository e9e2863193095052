-- The audit: appended under a lock of the tenant's chain, by the transaction that did what is recorded.

-- name: lock_chain
-- The last thing a transaction waits for: who holds it needs no other lock, so nobody waits in a circle.
select pg_advisory_xact_lock(hashtextextended('visapi.audit/' || $1::text, 0))

-- name: chain_end
-- A statement of its own, after the lock: its snapshot holds the row that the lock's last holder wrote.
select clock_timestamp() as now, last.seq, encode(last.hash, 'hex') as hash
from (select 1) as one left join lateral (
    select seq, hash from audit where tenant = $1 order by seq desc limit 1
) as last on true

-- name: append
insert into audit (tenant, seq, at, actor, action, target, reason, request_id, details, previous, hash)
select $1, seq, at, actor, action, target, reason, request_id, details, previous, hash
from unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::bytea[], $10::bytea[], $11::bytea[])
    as u (seq, at, actor, action, target, reason, request_id, details, previous, hash)

-- name: list_audit
select tenant, seq, at as time, actor, action, target, reason, request_id, details,
    encode(previous, 'hex') as previous, encode(hash, 'hex') as hash
from audit
where tenant = $1 and ($2::bigint is null or seq < $2)
    and ($3::text is null or action = $3) and ($4::text is null or actor = $4)
    and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
order by seq desc limit $7

-- name: list_audit_of_target
-- As `list_audit`, by the index on targets.
select tenant, seq, at as time, actor, action, target, reason, request_id, details,
    encode(previous, 'hex') as previous, encode(hash, 'hex') as hash
from audit
where tenant = $1 and target = $8 and ($2::bigint is null or seq < $2)
    and ($3::text is null or action = $3) and ($4::text is null or actor = $4)
    and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
order by seq desc limit $7

-- name: tenants
select id from tenants order by id

-- name: tenants_to_cut
-- From the first row of each tenant alone.
select t.id from unnest($1::text[]) as t (id)
cross join lateral (select at from audit a where a.tenant = t.id order by a.seq limit 1) as oldest
where oldest.at < now() - make_interval(days => $2)

-- name: oldest
select tenant, seq, at as time, actor, action, target, reason, request_id, details,
    encode(previous, 'hex') as previous, encode(hash, 'hex') as hash,
    at < now() - make_interval(days => $2) as is_old
from audit where tenant = $1 order by seq limit $3

-- name: first_seq
select seq from audit where tenant = $1 order by seq limit 1

-- name: cut
select cut_audit($1, $2)
