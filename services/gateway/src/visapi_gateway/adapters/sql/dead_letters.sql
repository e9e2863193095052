-- Dead letters: the gateway reads them and records who decided what.

-- name: list_dead_letters
select id, service, reason, detail, run, path, attempt, function, created_at, resolved_at, resolved_by, resolution
from dead_letters
where tenant = $1 and ($2::uuid is null or id < $2)
    and ($3::boolean is null or (resolved_at is not null) = $3)
order by id desc limit $4

-- name: dead_letter
select id, service, reason, detail, run, path, attempt, function, created_at, resolved_at, resolved_by, resolution
from dead_letters where id = $1 and tenant = $2

-- name: resolve_dead_letter
update dead_letters set resolved_at = now(), resolved_by = $3, resolution = $4
where id = $1 and tenant = $2 and resolved_at is null
returning id
