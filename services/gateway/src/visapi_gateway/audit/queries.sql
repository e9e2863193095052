-- The audit, read as pages.

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
