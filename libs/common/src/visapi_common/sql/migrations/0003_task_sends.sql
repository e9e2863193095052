-- When a task was published last: a task is lost when nothing as old as that is left in the stream
-- for its function. `sweep_at` alone cannot tell, because a look postpones it.
alter table tasks add column sent_at timestamptz not null default now();
