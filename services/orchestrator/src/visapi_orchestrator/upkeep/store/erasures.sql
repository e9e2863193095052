-- Tenants that are to be erased, and the pieces in which they are: a block for each table, which deletes at most $2 rows
-- of tenant $1, or of the runs $1.

-- name: due
select tenant, step, position, found from tenant_erasures
where erased_at is null and next_at <= now() order by next_at, requested_at limit $1

-- name: hold
-- Whoever else is at the tenant, or has gone on from the place, is left alone.
select true from tenant_erasures
where tenant = $1 and step = $2 and position = $3 and erased_at is null
for no key update skip locked

-- name: go_on
-- Behind all others that are due, so that each tenant has its turn.
update tenant_erasures
set step = $2, position = $3, found = $4, gone = gone + $5, failure = null, next_at = now()
where tenant = $1

-- name: end
-- A gateway that has not heard of the suspension may have let in requests for ten seconds. Tasks that were under way when
-- the erasure was asked for may write for $2 seconds.
update tenant_erasures e set erased_at = now(), failure = null
from tenants t
where e.tenant = $1 and t.id = e.tenant and t.disabled_at < now() - interval '20 seconds'
    and e.requested_at <= now() - make_interval(secs => $2)
returning true

-- name: put_off
update tenant_erasures set next_at = now() + make_interval(secs => $2), failure = $3
where tenant = $1 and erased_at is null

-- name: lock_open
-- A run that a transition holds is left for the next piece.
select id, retention from runs where tenant = $1 order by id desc limit $2 for update skip locked

-- name: any_open
select exists (select from runs where tenant = $1)

-- name: open_runs_gone
delete from runs where id = any($1::uuid[]) and retention = any($2::text[])

-- name: lock_ended
select id, retention from runs_done where tenant = $1 order by id desc limit $2 for update skip locked

-- name: any_ended
select exists (select from runs_done where tenant = $1)

-- name: ended_runs_gone
delete from runs_done where id = any($1::uuid[]) and retention = any($2::text[])

-- name: history
delete from history h
using (
    select retention, run, first_seq from history
    where retention = any($3::text[]) and run = any($1::uuid[]) limit $2
) as old
where h.retention = old.retention and h.run = old.run and h.first_seq = old.first_seq

-- name: run_attributes
-- Partitions have row numbers of their own.
delete from run_attributes
where run = any($1::uuid[])
    and (tableoid, ctid) in (select tableoid, ctid from run_attributes where run = any($1::uuid[]) limit $2)

-- name: tasks
delete from tasks
where ctid = any(array(select ctid from tasks where run = any($1::uuid[]) limit $2))

-- name: timers
delete from timers
where ctid = any(array(select ctid from timers where run = any($1::uuid[]) limit $2))

-- name: run_inbox
delete from inbox
where ctid = any(array(select ctid from inbox where run = any($1::uuid[]) limit $2))

-- name: run_subscriptions
delete from subscriptions
where ctid = any(array(select ctid from subscriptions where run = any($1::uuid[]) limit $2))

-- name: collections
delete from collections
where ctid = any(array(select ctid from collections where run = any($1::uuid[]) limit $2))

-- name: run_slots
delete from flow_slots
where ctid = any(array(select ctid from flow_slots where run = any($1::uuid[]) limit $2))

-- name: run_waiting
delete from flow_waiting
where ctid = any(array(select ctid from flow_waiting where run = any($1::uuid[]) limit $2))

-- name: rate_reservations
delete from rate_reservations
where ctid = any(array(select ctid from rate_reservations where run = any($1::uuid[]) limit $2))

-- name: recorded_inputs
delete from recorded_inputs
where ctid = any(array(select ctid from recorded_inputs where run = any($1::uuid[]) limit $2))

-- name: started_effects
delete from started_effects
where ctid = any(array(select ctid from started_effects where run = any($1::uuid[]) limit $2))

-- name: run_approvals
delete from approvals
where ctid = any(array(select ctid from approvals where run = any($1::uuid[]) limit $2))

-- name: run_letters
delete from dead_letters
where ctid = any(array(select ctid from dead_letters where run = any($1::uuid[]) limit $2))

-- name: run_families
delete from families
where ctid = any(array(select ctid from families where root = any($1::uuid[]) limit $2))

-- name: schedule_listeners
delete from schedule_listeners where ctid = any(array(select ctid from schedule_listeners where tenant = $1 limit $2))

-- name: subscriptions
delete from subscriptions where ctid = any(array(select ctid from subscriptions where tenant = $1 limit $2))

-- name: flow_slots
delete from flow_slots where ctid = any(array(select ctid from flow_slots where tenant = $1 limit $2))

-- name: flow_waiting
delete from flow_waiting where ctid = any(array(select ctid from flow_waiting where tenant = $1 limit $2))

-- name: approvals
delete from approvals where ctid = any(array(select ctid from approvals where tenant = $1 limit $2))

-- name: dead_letters
delete from dead_letters where ctid = any(array(select ctid from dead_letters where tenant = $1 limit $2))

-- name: dead_letter_replays
delete from dead_letter_replays
where ctid = any(array(select ctid from dead_letter_replays where tenant = $1 limit $2))

-- name: events_in
delete from events_in where ctid = any(array(select ctid from events_in where tenant = $1 limit $2))

-- name: idempotency
delete from idempotency where ctid = any(array(select ctid from idempotency where tenant = $1 limit $2))

-- name: endpoint_messages
delete from endpoint_messages where ctid = any(array(select ctid from endpoint_messages where tenant = $1 limit $2))

-- name: endpoint_news
delete from endpoint_news where ctid = any(array(select ctid from endpoint_news where tenant = $1 limit $2))

-- name: endpoints
delete from endpoints where ctid = any(array(select ctid from endpoints where tenant = $1 limit $2))

-- name: hook_bodies
delete from hook_bodies where ctid = any(array(select ctid from hook_bodies where tenant = $1 limit $2))

-- name: hook_deliveries
delete from hook_deliveries where ctid = any(array(select ctid from hook_deliveries where tenant = $1 limit $2))

-- name: hook_refused_requests
delete from hook_refused_requests where ctid = any(array(select ctid from hook_refused_requests where tenant = $1 limit $2))

-- name: hook_refusals
delete from hook_refusals where ctid = any(array(select ctid from hook_refusals where tenant = $1 limit $2))

-- name: hook_usage
delete from hook_usage where ctid = any(array(select ctid from hook_usage where tenant = $1 limit $2))

-- name: hooks
delete from hooks where ctid = any(array(select ctid from hooks where tenant = $1 limit $2))

-- name: retention_policies
delete from retention_policies where ctid = any(array(select ctid from retention_policies where tenant = $1 limit $2))

-- name: quota_leases
delete from quota_leases where ctid = any(array(select ctid from quota_leases where tenant = $1 limit $2))

-- name: rate_leases
delete from rate_leases where ctid = any(array(select ctid from rate_leases where tenant = $1 limit $2))

-- name: rates
delete from rates where ctid = any(array(select ctid from rates where tenant = $1 limit $2))

-- name: functions
delete from functions where ctid = any(array(select ctid from functions where owner = $1 limit $2))

-- name: workflows
delete from workflows where ctid = any(array(select ctid from workflows where tenant = $1 limit $2))

-- name: usage_deltas
delete from usage_deltas where ctid = any(array(select ctid from usage_deltas where tenant = $1 limit $2))

-- name: usage_days
delete from usage_days where ctid = any(array(select ctid from usage_days where tenant = $1 limit $2))

-- name: open_runs
delete from open_runs where ctid = any(array(select ctid from open_runs where tenant = $1 limit $2))

-- name: schedules
delete from schedules where ctid = any(array(select ctid from schedules where tenant = $1 limit $2))

-- name: schedule_fires
delete from schedule_fires where ctid = any(array(
    select f.ctid from schedules s join schedule_fires f on f.schedule = s.id where s.tenant = $1 limit $2
))

-- name: endpoint_attempts
delete from endpoint_attempts where ctid = any(array(
    select a.ctid from endpoint_messages m join endpoint_attempts a on a.message = m.id where m.tenant = $1 limit $2
))

-- name: endpoint_secrets
-- By key: nobody here reads more of secrets.
delete from endpoint_secrets
where tenant = $1 and (endpoint, id) in (select endpoint, id from endpoint_secrets where tenant = $1 limit $2)

-- name: hook_secrets
delete from hook_secrets
where tenant = $1 and (hook, id) in (select hook, id from hook_secrets where tenant = $1 limit $2)

-- name: secrets
delete from secrets where tenant = $1 and name in (select name from secrets where tenant = $1 limit $2)

-- name: account_versions
delete from account_versions
where tenant = $1 and (name, version) in (select name, version from account_versions where tenant = $1 limit $2)

-- name: accounts
delete from accounts where tenant = $1 and name in (select name from accounts where tenant = $1 limit $2)

-- name: template_versions
delete from template_versions where ctid = any(array(select ctid from template_versions where tenant = $1 limit $2))

-- name: templates
delete from templates where ctid = any(array(select ctid from templates where tenant = $1 limit $2))

-- name: api_keys
delete from api_keys where id in (select id from api_keys where tenant = $1 limit $2)

-- name: deliveries
-- A walk: $2 is the key that it has reached, $3 how many rows are looked at.
with looked as (
    select effect_key, tenant from deliveries where effect_key > $2 order by effect_key limit $3
), gone as (
    delete from deliveries d using looked l where l.tenant = $1 and d.effect_key = l.effect_key returning 1
)
select (select count(*) from gone)::integer as gone, (select count(*) from looked)::integer as looked,
    (select max(effect_key) from looked) as last

-- name: families
-- A walk, as of deliveries: families whose root is no longer kept.
with looked as (
    select root, tenant from families
    where root > coalesce(nullif($2, ''), '00000000-0000-0000-0000-000000000000')::uuid order by root limit $3
), gone as (
    delete from families f using looked l where l.tenant = $1 and f.root = l.root returning 1
)
select (select count(*) from gone)::integer as gone, (select count(*) from looked)::integer as looked,
    (select root::text from looked order by root desc limit 1) as last
