-- What runs are found by: one row per search attribute and value, of live and of ended runs alike.
--
-- `runs.attributes` shows them, these rows find them. An inverted index on that column would never be used:
-- under row-level security an index condition must be leakproof, and `jsonb @>` is not, while equality
-- and order of text, numbers and uuids are. Rows lie as histories do, by retention class and by the day
-- in the run's id, so that they are never moved and are dropped with their runs.
--
-- `value` is the text of a value (`true`, `12.5`, `null`), `folded` the same in lower case for free text,
-- `number` what numbers compare by.

create table run_attributes (
    retention text not null,
    run uuid not null,
    tenant text not null,
    name text not null,
    value text not null collate "C",
    folded text not null collate "C",
    number float8
) partition by list (retention);
create table run_attributes_standard partition of run_attributes
    for values in ('standard') partition by range (run);
create table run_attributes_standard_rest partition of run_attributes_standard default;

create index run_attributes_by_value on run_attributes (tenant, name, value, run desc);
create index run_attributes_by_number on run_attributes (tenant, name, number, run desc) where number is not null;
create index run_attributes_by_text on run_attributes (tenant, folded, run desc);
create index run_attributes_by_run on run_attributes (run);

-- Few runs end badly, and those are looked for most.
create index runs_done_not_completed on runs_done (tenant, id desc) where status <> 'completed';
create index runs_done_by_parent on runs_done (parent, id desc) where parent is not null;
create index runs_done_by_schedule on runs_done (schedule, id desc) where schedule is not null;

-- As before, with one more table.
create or replace function ensure_partitions(days_ahead integer) returns integer
language plpgsql security definer set search_path = visapi, pg_temp as $$
declare
    today constant date := (now() at time zone 'utc')::date;
    day date;
    parent text;
    child text;
    made integer := 0;
begin
    if days_ahead not between 0 and 60 then
        raise exception 'days_ahead is %, it must be 0 to 60', days_ahead;
    end if;
    -- Serialises orchestrators; `5647215` is an arbitrary constant.
    perform pg_advisory_xact_lock(5647215);
    foreach parent in array array['runs_done_standard', 'history_standard', 'run_attributes_standard'] loop
        for day in select generate_series(today, today + days_ahead, interval '1 day')::date loop
            child := parent || '_' || to_char(day, 'YYYYMMDD');
            continue when to_regclass(child) is not null;
            begin
                execute format('create table %I partition of %I for values from (%L) to (%L)',
                    child, parent, first_id_of(day), first_id_of(day + 1));
                made := made + 1;
            exception when check_violation then
                -- Rows of that day already lie in the default partition; they stay there.
                raise notice 'rows of % lie in the default partition of %', day, parent;
            end;
        end loop;
    end loop;
    return made;
end
$$;

select ensure_partitions(7);
