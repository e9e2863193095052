-- name: write
timers_put as (
    insert into timers (run, id, fire_at, due_at)
    select d.id, t.id, to_timestamp(t.fire_at_ms / 1000.0), to_timestamp(t.fire_at_ms / 1000.0)
    from {new_timers} as t
    join live d on d.id = t.run
    on conflict (run, id) do update set fire_at = excluded.fire_at, due_at = excluded.due_at
),
timers_removed as (
    delete from timers t using {removed_timers} as g, live d
    where t.run = g.run and t.id = g.id and d.id = g.run
),
timers_of_ended as (delete from timers t using ended e where t.run = e.id)
