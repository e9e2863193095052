-- As in `runs`.
alter table runs_done add column test boolean not null default false;
