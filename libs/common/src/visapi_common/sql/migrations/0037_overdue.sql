-- What is overdue is found past whatever else is late: held tasks, tasks of other functions, what was set aside.

-- The sweep goes from one tenant and function to the next, and takes the overdue tasks of each in their order. A task
-- that is held back, or whose outcome nobody knows, is in no sweep and no longer in its index. An entry is wider than
-- before by the two names; a task that is held back costs one entry less.
create index tasks_overdue on tasks (tenant, function, sweep_at)
where sent_at is not null and state in ('queued', 'started');
drop index tasks_sweep;

-- A schedule that was set aside stays due until somebody mends it.
drop index schedules_due;
create index schedules_due on schedules (next_at) where not paused and quarantined_at is null;
