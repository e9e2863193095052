-- Where a run comes from, and what it can be found by. Ended runs keep all of it.
--
-- `parent` and `parent_path` name the task of another run that waits for this one; `schedule` and
-- `fire_at` the schedule that started it; `rerun_of` the run that it repeats. `quiet` runs are the
-- system's own (they listen for a schedule's events) and are left out of lists.

alter table runs
    add column parent uuid,
    add column parent_path text,
    add column schedule uuid,
    add column fire_at timestamptz,
    add column rerun_of uuid,
    add column attributes jsonb,
    add column quiet boolean not null default false;

alter table runs_done
    add column parent uuid,
    add column parent_path text,
    add column schedule uuid,
    add column fire_at timestamptz,
    add column rerun_of uuid,
    add column attributes jsonb,
    add column quiet boolean not null default false;

-- Few runs have a parent or a schedule, so these stay small.
create index runs_by_parent on runs (parent) where parent is not null;
create index runs_by_schedule on runs (schedule) where schedule is not null;
