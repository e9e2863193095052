-- A row of the audit may go once the last row of its tenant's chain records that it was cut, and no sooner than a
-- day after it was written. Nothing changes a row.
create or replace function audit_is_append_only() returns trigger
language plpgsql set search_path = visapi, pg_temp as $$
declare
    last record;
begin
    if tg_op = 'DELETE' then
        if old.at < now() - interval '1 day' then
            select a.action, a.details into last from audit a where a.tenant = old.tenant order by a.seq desc limit 1;
            if last.action = 'audit.cut'
                and (convert_from(last.details, 'utf8')::jsonb ->> 'last')::bigint >= old.seq then
                return old;
            end if;
        end if;
    end if;
    raise exception 'audit is append-only';
end
$$;

-- Deletes what the last row of a chain records as cut. No service has the right to delete by itself.
create function cut_audit(of_tenant text, up_to bigint) returns bigint
language plpgsql security definer set search_path = visapi, pg_temp as $$
declare
    gone bigint;
begin
    delete from audit where tenant = of_tenant and seq <= up_to;
    get diagnostics gone = row_count;
    return gone;
end
$$;
revoke all on function cut_audit(text, bigint) from public;
grant execute on function cut_audit(text, bigint) to visapi_gateway;
