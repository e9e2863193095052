-- What hooks accepted and refused.

-- name: hook_exists
select exists (select from hooks where tenant = $1 and id = $2 and deleted_at is null)

-- name: list_deliveries
select d.*, b.id is not null as kept
from (
    select id, delivery, type, subject, size, received_at, replays, replayed_at
    from hook_deliveries
    where tenant = $1 and hook = $2 and ($3::uuid is null or id < $3)
    order by id desc limit $4
) as d
left join hook_bodies b on b.tenant = $1 and b.id = d.id
order by d.id desc

-- name: deliveries_named
-- By the key: one at most.
select d.id, d.delivery, d.type, d.subject, d.size, d.received_at, d.replays, d.replayed_at, b.id is not null as kept
from hook_deliveries d left join hook_bodies b on b.tenant = d.tenant and b.id = d.id
where d.tenant = $1 and d.hook = $2 and d.delivery = $3

-- name: delivery_view
-- Without the event, which may have more than a MiB.
select d.id, d.delivery, d.type, d.subject, d.size, d.received_at, d.replays, d.replayed_at, b.id is not null as kept
from hook_deliveries d left join hook_bodies b on b.tenant = d.tenant and b.id = d.id
where d.tenant = $1 and d.hook = $2 and d.id = $3

-- name: one_delivery
select d.id, d.delivery, d.type, d.subject, d.size, d.received_at, d.replays, d.replayed_at, b.id is not null as kept,
    b.event
from hook_deliveries d left join hook_bodies b on b.tenant = d.tenant and b.id = d.id
where d.tenant = $1 and d.hook = $2 and d.id = $3

-- name: count_replay
update hook_deliveries set replays = replays + 1, replayed_at = now()
where tenant = $1 and hook = $2 and id = $3
returning replays

-- name: refusal_counts
select reason, count, last_at from hook_refusals where tenant = $1 and hook = $2 order by count desc, reason

-- name: refused_requests
select at, reason, detail, address from hook_refused_requests
where tenant = $1 and hook = $2 order by id desc limit $3
