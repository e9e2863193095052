-- Which role may read and write which table (ARCHITECTURE.md, Trust boundaries). The owner applies this file
-- after every migration; applying it again changes nothing. The roles exist before: `visapi_gateway`,
-- `visapi_orchestrator`, `visapi_notifier`.

revoke all on all tables in schema visapi from public, visapi_gateway, visapi_orchestrator, visapi_notifier;
grant usage on schema visapi to visapi_gateway, visapi_orchestrator, visapi_notifier;

grant select on tenants, api_keys, programs, workflows, runs, runs_done, history, inbox, idempotency,
    dead_letters, functions, run_attributes to visapi_gateway;
-- Tenants are made and suspended by keys of kind `admin` that have the scope for it.
grant insert on tenants to visapi_gateway;
grant update (disabled_at, disabled_reason) on tenants to visapi_gateway;
-- A tenant is erased by the orchestrator, when the gateway has written that it may be. What it deletes here beyond its
-- own tables it does not read, but for the names of the rows.
grant select, insert on tenant_erasures to visapi_gateway;
grant select on tenant_erasures to visapi_orchestrator;
grant update (step, position, found, gone, next_at, failure, erased_at) on tenant_erasures to visapi_orchestrator;
grant delete on schedules, workflows, retention_policies, hook_usage to visapi_orchestrator;
grant delete on templates, template_versions to visapi_orchestrator;
grant select, delete on hook_refusals, hook_refused_requests, rates, rate_leases, quota_leases to visapi_orchestrator;
grant select (tenant, name), delete on secrets to visapi_orchestrator;
grant select (tenant, endpoint, id), delete on endpoint_secrets to visapi_orchestrator;
grant select (tenant, hook, id), delete on hook_secrets to visapi_orchestrator;
grant select (tenant), delete on api_keys to visapi_orchestrator;
grant select (tenant, name), delete on accounts to visapi_orchestrator;
grant select (tenant, name, version), delete on account_versions to visapi_orchestrator;
grant select (tenant, effect_key), delete on deliveries to visapi_orchestrator;
grant insert on api_keys, programs, workflows, runs, inbox, idempotency, events_in to visapi_gateway;
grant select on events_in to visapi_gateway;
-- What was done is told once: nobody changes it, and it goes by `cut_audit` alone.
grant select, insert on audit to visapi_gateway;
grant select, insert, update, delete on schedules, schedule_listeners to visapi_gateway;
grant select, insert on schedule_fires to visapi_gateway;
grant select, update on schedules to visapi_orchestrator;
grant select, insert, delete on schedule_fires to visapi_orchestrator;
grant select on retention_classes, retention_policies to visapi_gateway, visapi_orchestrator;
grant insert, update, delete on retention_policies to visapi_gateway;
grant update (days) on retention_classes to visapi_orchestrator;
-- The gateway seals secrets and never reads them back.
grant insert, delete on secrets to visapi_gateway;
grant update (sealed, sealed_with, hosts, updated_at, updated_by) on secrets to visapi_gateway;
grant select (tenant, name, hosts, updated_at, updated_by) on secrets to visapi_gateway;
grant select on secrets to visapi_notifier;
-- Accounts at providers: the gateway seals the credentials of each version and never reads them back.
grant select, insert, delete on accounts to visapi_gateway;
grant update (is_default, version, latest, overlap_version, overlap_until, updated_at, updated_by)
    on accounts to visapi_gateway;
grant insert, delete on account_versions to visapi_gateway;
grant select (tenant, name, version, settings, shown, created_at, created_by) on account_versions to visapi_gateway;
grant select on accounts, account_versions to visapi_notifier;
-- Secrets of hooks are read by the function `hooks_at` alone, which wants the address of a hook.
grant select, insert on hooks to visapi_gateway;
grant update (settings, enabled, updated_at, updated_by, deleted_at) on hooks to visapi_gateway;
grant insert, delete on hook_secrets to visapi_gateway;
grant select (tenant, hook, id, purpose, created_at, created_by, expires_at) on hook_secrets to visapi_gateway;
grant update (expires_at) on hook_secrets to visapi_gateway;
grant select, insert, delete on hook_deliveries, hook_bodies to visapi_gateway;
grant update (replays, replayed_at) on hook_deliveries to visapi_gateway;
grant select, insert, update on hook_usage to visapi_gateway;
grant select, insert, update on hook_refusals to visapi_gateway;
grant select, insert, delete on hook_refused_requests to visapi_gateway;
-- Endpoints: made by people, sent to by the notifier, which disables one that fails. The orchestrator writes what there
-- is to know, and who is sent it.
grant select, insert on endpoints to visapi_gateway;
grant update (url, types, wants, workflows, sources, ordered, enabled, disabled_reason, disabled_at, noticed_at,
    failing_since, updated_at, updated_by, deleted_at) on endpoints to visapi_gateway;
grant insert, delete on endpoint_secrets to visapi_gateway;
grant select (tenant, endpoint, id, created_at, created_by, expires_at) on endpoint_secrets to visapi_gateway;
grant update (expires_at) on endpoint_secrets to visapi_gateway;
grant select, insert on endpoint_news, endpoint_messages to visapi_gateway;
grant update (state, attempts_left, next_at, lease_owner, ended_at) on endpoint_messages to visapi_gateway;
grant select on endpoint_attempts to visapi_gateway;
grant select, delete on endpoints, endpoint_attempts to visapi_orchestrator;
grant select, insert, delete on endpoint_news, endpoint_messages to visapi_orchestrator;
grant update (waiting) on endpoint_news to visapi_orchestrator;
grant update (enabled, disabled_reason, disabled_at, noticed_at) on endpoints to visapi_orchestrator;
grant select on endpoint_relay to visapi_orchestrator;
grant update (xid) on endpoint_relay to visapi_orchestrator;
grant select on endpoints, endpoint_secrets, endpoint_news, endpoint_messages to visapi_notifier;
grant update (enabled, disabled_reason, disabled_at, failing_since) on endpoints to visapi_notifier;
grant update (state, attempts, attempts_left, next_at, lease_owner, ended_at) on endpoint_messages to visapi_notifier;
grant insert on endpoint_attempts to visapi_notifier;
-- Templates: versions are added and never changed. The orchestrator tells workers which version a name means.
grant select, insert on templates, template_versions to visapi_gateway;
grant update (latest, retired_at) on templates to visapi_gateway;
grant select on templates, template_versions to visapi_orchestrator;
-- Old deliveries are swept, and hooks that were removed.
grant select, delete on hooks, hook_deliveries, hook_bodies to visapi_orchestrator;
grant select, update on hook_usage to visapi_orchestrator;
grant update on api_keys to visapi_gateway;
grant select, insert, update, delete on rates, rate_leases, quota_leases to visapi_gateway;
-- How many open runs a tenant may have.
grant select on rates to visapi_orchestrator;
-- Keys that ended long ago are swept; their hashes are nobody's but the gateway's.
grant select (id, expires_at, disabled_at, may_return), delete on api_keys to visapi_orchestrator;
grant update (resolved_at, resolved_by, resolution, body, headers, edited_at, edited_by) on dead_letters to visapi_gateway;
grant select, insert on dead_letter_replays to visapi_gateway;
grant update (state, ended_at, ended_by) on dead_letter_replays to visapi_gateway;
grant select, update, delete on dead_letter_replays to visapi_orchestrator;
-- A webhook that is given up becomes a dead letter, once; the orchestrator has it sent again.
grant select (id, tenant, kind, reason, digest, resolved_at), insert on dead_letters to visapi_notifier;
grant update (state, attempts_left, next_at, lease_owner, ended_at) on endpoint_messages to visapi_orchestrator;

grant select on tenants, programs, workflows, idempotency to visapi_orchestrator;
grant delete on idempotency to visapi_orchestrator;
grant select, insert, update, delete on runs, runs_done, history, tasks, timers, inbox, dead_letters,
    functions, streams, recorded_inputs, started_effects, events_in, subscriptions, collections, run_attributes,
    flow_slots, flow_waiting, rate_reservations to visapi_orchestrator;
-- Which listener follows one that ended; one that ended without a follower is none.
grant select, delete on schedule_listeners to visapi_orchestrator;
grant select on flow_slots, flow_waiting to visapi_gateway;

-- Who decided is written by the gateway; what is asked is the orchestrator's.
grant select on approvals to visapi_gateway;
grant update (state, decision, comment, decided_by, closed_at) on approvals to visapi_gateway;
grant select, insert, update, delete on approvals to visapi_orchestrator;

grant select on lifecycle_relay to visapi_orchestrator;
grant update (xid) on lifecycle_relay to visapi_orchestrator;

grant select, insert, update, delete on deliveries to visapi_notifier;

-- After a restore: which runs have effects that nobody knows about.
grant select on restores to visapi_gateway, visapi_orchestrator, visapi_notifier;
grant select (id, root, fire_at) on runs to visapi_notifier;

-- Whoever writes a fact counts it; the orchestrator adds up, and the gateway shows.
grant insert on usage_deltas to visapi_gateway, visapi_orchestrator, visapi_notifier;
grant select on usage_deltas, usage_days to visapi_gateway, visapi_orchestrator;
grant delete on usage_deltas to visapi_orchestrator;
grant insert, update, delete on usage_days to visapi_orchestrator;
grant select (namespace, name) on runs to visapi_notifier;

-- Families are made by the orchestrator; who cancels a root says so at once.
grant select, insert on families to visapi_gateway;
grant update (touched_at, cancelled_at, settled_at) on families to visapi_gateway;
grant select, insert, update, delete on families, open_runs to visapi_orchestrator;
grant select on open_runs to visapi_gateway;

-- Row-level security: the gateway sees the tenants its transaction named, nobody works under BYPASSRLS. What is
-- there stays: each of these statements locks its table against everybody, and all of them together would wait in a
-- circle with services that run, which PostgreSQL ends by refusing their transactions. A later release that wants
-- another policy gives it another name.
do $$
declare
    t text;
    secured constant text[] := array(
        select c.relname::text from pg_class c
        where c.relnamespace = 'visapi'::regnamespace and c.relrowsecurity and c.relforcerowsecurity
            and (
                select count(*) from pg_policy p
                where p.polrelid = c.oid and p.polname in ('gateway_tenants', 'orchestrator_all', 'notifier_all')
            ) = 3
    );
begin
    foreach t in array array['workflows', 'runs', 'runs_done', 'history', 'inbox', 'idempotency', 'dead_letters',
        'events_in', 'run_attributes', 'secrets', 'schedules', 'schedule_fires', 'schedule_listeners',
        'flow_slots', 'flow_waiting', 'approvals', 'audit', 'retention_policies',
        'families', 'hooks', 'hook_secrets', 'hook_deliveries', 'hook_bodies', 'hook_usage', 'hook_refusals',
        'hook_refused_requests', 'usage_days', 'usage_deltas', 'endpoints', 'endpoint_secrets',
        'endpoint_news', 'endpoint_messages', 'endpoint_attempts', 'accounts', 'account_versions',
        'dead_letter_replays', 'templates', 'template_versions']
    loop
        continue when t = any (secured);
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('drop policy if exists gateway_tenants on %I', t);
        execute format(
            'create policy gateway_tenants on %I to visapi_gateway using '
            || '(tenant = any (string_to_array(current_setting(''visapi.tenants'', true), '','')))', t);
        execute format('drop policy if exists orchestrator_all on %I', t);
        execute format('create policy orchestrator_all on %I to visapi_orchestrator using (true)', t);
        execute format('drop policy if exists notifier_all on %I', t);
        execute format('create policy notifier_all on %I to visapi_notifier using (true)', t);
    end loop;
end
$$;

-- `cut_audit` works as the owner, and so does `visapi admin`, which tells in the audit what it did to a tenant.
do $$
begin
    if not exists (
        select from pg_policy p join pg_roles r on r.oid = any (p.polroles)
        where p.polrelid = 'audit'::regclass and p.polname = 'owner_cuts' and r.rolname = current_user
    ) then
        drop policy if exists owner_cuts on audit;
        create policy owner_cuts on audit to current_user using (true);
    end if;
end
$$;

-- Dead letters of a tenant that does not exist, such as a registration with an empty one: an admin key may see
-- them, for which the gateway says so in its transaction. A tenant that is made later takes its letters over.
do $$
begin
    if not exists (
        select from pg_policy where polrelid = 'dead_letters'::regclass and polname = 'gateway_unknown_tenants'
    ) then
        create policy gateway_unknown_tenants on dead_letters to visapi_gateway using (
            current_setting('visapi.unknown_tenants', true) = 'on'
            and not exists (select from tenants t where t.id = dead_letters.tenant)
        );
    end if;
end
$$;
