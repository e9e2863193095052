-- Runs and their history, as one tenant sees them. Ended runs lie in `runs_done`.

-- name: run
select id, namespace, name, version, status, revision, seq, input, null::bytea as output, null::bytea as error,
    created_at, started_at, null::timestamptz as ended_at, attributes, test
from runs where id = $1 and tenant = $2
union all
select id, namespace, name, version, status, revision, seq, input, output, error,
    created_at, started_at, ended_at, attributes, test
from runs_done where id = $1 and tenant = $2

-- name: run_head
-- An ended run with an accepted retry goes on as soon as an orchestrator consumes the retry. Both are read by
-- one statement, so the retry is seen either as its inbox row or as the run that is live again.
select status, seq, revision, false as retrying from runs where id = $1 and tenant = $2
union all
select d.status, d.seq, d.revision,
    exists (select from inbox i where i.run = d.id and i.tenant = d.tenant and i.kind = 'retry') as retrying
from runs_done d where d.id = $1 and d.tenant = $2

-- name: list_runs
-- In the braces go conditions of run_filters.sql; `live` and `done` leave a half out in which no run can be
-- in the state that is asked for. Both halves are read newest first and cut to the page before they are merged.
select * from (
    (select id, namespace, name, version, status, revision, seq, input, null::bytea as output,
        null::bytea as error, created_at, started_at, null::timestamptz as ended_at, attributes, test
    from runs r
    where r.tenant = $1 and not r.quiet
    {conditions} {live}
    order by id desc limit $2)
    union all
    (select id, namespace, name, version, status, revision, seq, input, output, error,
        created_at, started_at, ended_at, attributes, test
    from runs_done r
    where r.tenant = $1 and not r.quiet
    {conditions} {done}
    order by id desc limit $2)
) as both_halves
order by id desc limit $2

-- name: count_runs
-- As `list_runs`, counted to $2; with the time by the clock that `ended_at` is told by.
select least($2, (
    select count(*) from (
        select 1 from runs r where r.tenant = $1 and not r.quiet
        {conditions} {live}
        limit $2
    ) as live
) + (
    select count(*) from (
        select 1 from runs_done r where r.tenant = $1 and not r.quiet
        {conditions} {done}
        limit $2
    ) as done
)) as count, now() as counted_at

-- name: count_runs_among
-- As `count_runs`, among some workflows.
select least($2, (
    select count(*) from (
        select 1 from unnest($3::text[], $4::text[]) as own (namespace, name)
        cross join lateral (
            select 1 from runs r
            where r.tenant = $1 and not r.quiet and r.namespace = own.namespace and r.name = own.name
            {conditions} {live}
            limit $2
        ) as each
        limit $2
    ) as live
) + (
    select count(*) from (
        select 1 from unnest($3::text[], $4::text[]) as own (namespace, name)
        cross join lateral (
            select 1 from runs_done r
            where r.tenant = $1 and not r.quiet and r.namespace = own.namespace and r.name = own.name
            {conditions} {done}
            limit $2
        ) as each
        limit $2
    ) as done
)) as count, now() as counted_at

-- name: history
-- Rows lie by the retention class of their run.
select first_seq, last_seq, items
from history
where retention = (
    select retention from runs where id = $1 and tenant = $2
    union all
    select retention from runs_done where id = $1 and tenant = $2
) and run = $1 and tenant = $2 and last_seq > $3
order by first_seq limit $4

