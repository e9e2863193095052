-- The Idempotency-Keys of requests. The row of a key is written by the transaction that does what is asked, so
-- that both are committed or neither is. Whoever comes second waits here for the end of the first.

-- name: hold_key
-- A request that starts one run, or is about one thing, names it in `run`; other rows have the nil id.
insert into idempotency (tenant, key, run, body_hash, answer)
values ($1, $2, '00000000-0000-0000-0000-000000000000', $3, $4)
on conflict do nothing
returning true

-- name: key_holder
select body_hash, answer, run from idempotency where tenant = $1 and key = $2
