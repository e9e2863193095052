-- Commands to runs: rows of `inbox`, which the orchestrator reads.

-- name: resume_point
-- Where a faulted run can be taken up again, with the program it ran. The listener of a schedule cannot: events no longer
-- reach it.
select d.resume, p.body as program
from runs_done d join programs p on p.hash = d.program
where d.id = $1 and d.tenant = $2 and d.status = 'faulted' and d.resume is not null and not d.quiet

-- name: ended_for_good
-- Runs that neither completed nor can be taken up again.
select id, status from runs_done
where tenant = $1 and id = any($2::uuid[]) and status <> 'completed' and resume is null

-- name: send_commands
-- In the order of the runs, so that two who tell the same ones wait for each other and do not lock each other out.
insert into inbox (run, key, tenant, kind, body)
select run, key, $1, kind, body from unnest($2::uuid[], $3::text[], $4::text[], $5::bytea[]) as u (run, key, kind, body)
order by run, key
on conflict do nothing
returning run

-- name: cancel_families
-- That these runs are cancelled is a fact that every descendant obeys, present and coming; it begins to be one
-- with the commit, whether the run itself is still open or not. Runs without descendants have no row.
insert into families (root, tenant, touched_at, cancelled_at)
select u.run, $1, now(), now() from unnest($2::uuid[]) as u (run)
where exists (select from families f where f.root = u.run)
    or exists (select from runs r where r.root = u.run)
order by u.run
on conflict (root) do update
set touched_at = now(), cancelled_at = coalesce(families.cancelled_at, excluded.cancelled_at)
returning root

-- name: open_descendants
select exists (select from runs r where r.root = $1)

-- name: put_command
-- A run is told no more than $6 things that nobody has read yet.
insert into inbox (run, key, tenant, kind, body)
select $1, $2, $3, $4, $5
where (
    select count(*) from inbox where run = $1 and kind in ('cancel', 'suspend', 'resume', 'retry', 'resolve')
) < $6
on conflict do nothing
returning run

-- name: waiting_command
select body from inbox where run = $1 and key = $2 and tenant = $3

-- name: put_inbox
insert into inbox (run, key, tenant, kind, body) values ($1, $2, $3, $4, $5)
on conflict do nothing
returning run
