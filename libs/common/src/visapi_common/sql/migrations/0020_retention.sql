-- How long ended runs are kept. Runs belong to a class from their start; a class is a number of days, and
-- its ended runs lie in partitions of their own, so that forgetting a day of them is dropping a table.
-- What to make and what to drop is planned by the orchestrator (core/retention.py).

create table retention_classes (
    name text primary key,
    days integer not null check (days between 1 and 36500),
    -- Days in one partition: runs are kept for `days`, and up to so many more.
    width integer not null check (width between 1 and 366)
);
insert into retention_classes (name, days, width) values ('standard', 30, 1);

create table retention_policies (
    tenant text not null,
    namespace text not null,
    class text not null references retention_classes (name),
    updated_at timestamptz not null default now(),
    updated_by text not null,
    primary key (tenant, namespace)
);

-- Only the owner may create and drop tables, hence `security definer`, with a fixed search path and
-- nothing of the caller's in a statement but names that are known, days and numbers. Each function
-- touches one partitioned table and waits for it less than PostgreSQL waits to look for a deadlock.
-- `5647215` is an arbitrary constant: it serialises whoever makes or drops.

create function check_retention_table(base text, class text) returns void
language plpgsql set search_path = visapi, pg_temp as $$
begin
    if base is null or base not in ('runs_done', 'history', 'run_attributes') then
        raise exception '% is not partitioned by retention', base;
    end if;
    if not exists (select from retention_classes c where c.name = class) then
        raise exception 'there is no retention class %', class;
    end if;
end
$$;

-- True: made. False: there already. Null: not possible, as the class has no table yet, or as rows of
-- these days lie in the default partition, where they stay.
create function make_partition(base text, class text, first date, past date) returns boolean
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    parent constant text := base || '_' || class;
    child constant text := parent || '_' || to_char(first, 'YYYYMMDD');
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(parent) is null then
        return null;
    end if;
    if to_regclass(child) is not null then
        return false;
    end if;
    execute format('create table %I partition of %I for values from (%L) to (%L)',
        child, parent, first_id_of(first), first_id_of(past));
    return true;
exception when check_violation then
    raise notice 'rows of % lie in the default partition of %', first, parent;
    return null;
end
$$;

-- Nobody writes to the partition until the caller's transaction is over. False: there is none.
create function lock_partition(base text, class text, first date) returns boolean
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    child constant text := base || '_' || class || '_' || to_char(first, 'YYYYMMDD');
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(child) is null then
        return false;
    end if;
    execute format('lock table only %I in share row exclusive mode', child);
    return true;
end
$$;

-- The caller has locked the partition and found that nothing in it is needed.
create function drop_partition(base text, class text, first date) returns void
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    parent constant text := base || '_' || class;
begin
    perform check_retention_table(base, class);
    -- Readers lock the parent first; whoever comes later waits here, holding nothing of ours.
    execute format('lock table only %I in access exclusive mode', parent);
    execute format('drop table %I', parent || '_' || to_char(first, 'YYYYMMDD'));
end
$$;

-- The class of so many days, with its row but perhaps without tables.
create function make_retention_class(days_kept integer) returns text
language plpgsql security definer set search_path = visapi, pg_temp as $$
declare
    class constant text := 'd' || days_kept;
begin
    -- Few classes, as each has its tables: `contracts.retention.DAYS`.
    if days_kept is null
        or days_kept not in (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825, 2555, 3650) then
        raise exception 'runs cannot be kept for % days', days_kept;
    end if;
    insert into retention_classes (name, days, width)
    values (class, days_kept, greatest(1, days_kept / 15))
    on conflict (name) do nothing;
    return class;
end
$$;

-- The tables of a class under one partitioned table, with room for the days that begin now.
create function make_retention_table(base text, class text) returns void
language plpgsql security definer
set search_path = visapi, pg_temp set lock_timeout = '500ms' as $$
declare
    today constant date := (now() at time zone 'utc')::date;
    parent constant text := base || '_' || class;
    -- Of the three, histories are found by their run.
    range_key constant text := case base when 'runs_done' then 'id' else 'run' end;
    days integer;
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(parent) is not null then
        return;
    end if;
    execute format('create table %I partition of %I for values in (%L) partition by range (%I)',
        parent, base, class, range_key);
    execute format('create table %I partition of %I default', parent || '_rest', parent);
    select width into days from retention_classes c where c.name = class;
    perform make_partition(base, class, today, today + days);
end
$$;

-- `ensure_partitions` stays for orchestrators of the release before; what it makes fits in.

revoke all on function make_partition(text, text, date, date), lock_partition(text, text, date),
    drop_partition(text, text, date), make_retention_class(integer), make_retention_table(text, text),
    check_retention_table(text, text) from public;
grant execute on function make_partition(text, text, date, date), lock_partition(text, text, date),
    drop_partition(text, text, date) to visapi_orchestrator;
grant execute on function make_retention_class(integer), make_retention_table(text, text) to visapi_gateway;
