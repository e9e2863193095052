-- Partitions of `runs_done` and `history` by the day in the run's UUIDv7 (its first 48 bits are
-- Unix milliseconds). The orchestrator asks for days ahead; only the owner may create tables, hence
-- `security definer`, with a fixed search path and nothing of the caller's in the statement but a
-- number.

create function first_id_of(day date) returns uuid
language sql immutable strict parallel safe as $$
    select (lpad(to_hex((extract(epoch from day) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

create function ensure_partitions(days_ahead integer) returns integer
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
    foreach parent in array array['runs_done_standard', 'history_standard'] loop
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

revoke all on function ensure_partitions(integer) from public;
grant execute on function ensure_partitions(integer) to visapi_orchestrator;

select ensure_partitions(7);
