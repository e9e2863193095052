-- The rows of a tenant in pages. Each block begins after a position, `at`: a text for each column of its order.
-- No value of a secret and no hash of a key is read.

-- name: keys
select array[id] as at, id, kind, name, scopes, workflows, allowed_addresses, denied_addresses, created_by, created_at,
    not_before, expires_at, disabled_at, reason, last_used_at, last_used_from
from api_keys where tenant = $1 and id > ($2::text[])[1] order by id limit $3

-- name: rates
select array[subject] as at, subject, per_s, burst, runs_per_day, runs_per_month, open_runs_max, keys, updated_at, updated_by
from rates where tenant = $1 and subject > ($2::text[])[1] order by subject limit $3

-- name: retention_policies
select array[namespace] as at, namespace, class, updated_at, updated_by
from retention_policies where tenant = $1 and namespace > ($2::text[])[1] order by namespace limit $3

-- name: workflows
select array[namespace, name, version] as at, namespace, name, version, media_type,
    convert_from(source, 'utf8') as source, created_by, created_at
from workflows
where tenant = $1 and (namespace, name, version) > (($2::text[])[1], ($2::text[])[2], ($2::text[])[3])
order by namespace, name, version limit $3

-- name: schedules
select array[namespace, name] as at, namespace, name, version, paused, spec, anchor, last_fire, last_run, next_at
from schedules
where tenant = $1 and (namespace, name) > (($2::text[])[1], ($2::text[])[2]) order by namespace, name limit $3

-- name: secrets
-- Names only.
select array[name] as at, name, hosts, updated_at, updated_by
from secrets where tenant = $1 and name > ($2::text[])[1] order by name limit $3

-- name: accounts
-- Every version, without what is sealed.
select array[v.name, v.version::text] as at, v.name, a.kind, a.is_default, v.version, v.version = a.version as current,
    v.settings, v.shown, v.created_at, v.created_by
from account_versions v join accounts a on a.tenant = v.tenant and a.name = v.name
where v.tenant = $1 and (v.name, v.version) > (($2::text[])[1], ($2::text[])[2]::integer)
order by v.name, v.version limit $3

-- name: hooks
select array[id::text] as at, id, name, provider, settings, enabled, created_at, created_by, updated_at, updated_by
from hooks
where tenant = $1 and deleted_at is null and id > ($2::text[])[1]::uuid order by id limit $3

-- name: hook_deliveries
select array[d.hook::text, d.delivery] as at, d.hook, d.delivery, d.id, d.type, d.subject, d.received_at, d.replays,
    b.event
from hook_deliveries d left join hook_bodies b on b.tenant = d.tenant and b.id = d.id
where d.tenant = $1 and (d.hook, d.delivery) > (($2::text[])[1]::uuid, ($2::text[])[2])
order by d.hook, d.delivery limit $3

-- name: endpoints
select array[id::text] as at, id, name, url, types, workflows, sources, ordered, enabled, disabled_reason, created_at,
    created_by, updated_at, updated_by
from endpoints
where tenant = $1 and deleted_at is null and id > ($2::text[])[1]::uuid order by id limit $3

-- name: templates
-- Each version; its contents have the name `sha256`.
select array[v.name, v.version::text] as at, v.name, t.kind, v.version, encode(v.sha256, 'hex') as sha256, v.size,
    v.default_locale, v.locales, v.description, v.created_at, v.created_by, t.retired_at
from template_versions v join templates t on t.tenant = v.tenant and t.name = v.name
where v.tenant = $1 and (v.name, v.version) > (($2::text[])[1], ($2::text[])[2]::integer)
order by v.name, v.version limit $3

-- name: endpoint_news
select array[seq::text] as at, seq, type, about, "at" as time, data
from endpoint_news where tenant = $1 and seq > ($2::text[])[1]::bigint order by seq limit $3

-- name: endpoint_messages
select array[endpoint::text, seq::text] as at, endpoint, seq, id, news, type, size, state, attempts, created_at, ended_at
from endpoint_messages
where tenant = $1 and (endpoint, seq) > (($2::text[])[1]::uuid, ($2::text[])[2]::bigint)
order by endpoint, seq limit $3

-- name: endpoint_attempts
select array[m.endpoint::text, m.seq::text, a.number::text] as at, a.message, a.number, a."at" as time, a.took_ms,
    a.status, a.error, a.response
from endpoint_messages m join endpoint_attempts a on a.message = m.id
where m.tenant = $1 and (m.endpoint, m.seq) >= (($2::text[])[1]::uuid, ($2::text[])[2]::bigint)
    and (m.endpoint, m.seq, a.number) > (($2::text[])[1]::uuid, ($2::text[])[2]::bigint, ($2::text[])[3]::integer)
order by m.endpoint, m.seq, a.number limit $3

-- name: functions
select array[name, version] as at, name, version, spec, announced_at
from functions
where owner = $1 and (name, version) > (($2::text[])[1], ($2::text[])[2]) order by name, version limit $3

-- name: runs
-- Runs that are open.
select array[id::text] as at, id, retention, namespace, name, version, status, input, started_by, created_at, started_at,
    parent, schedule, fire_at, rerun_of, root, test, attributes
from runs where tenant = $1 and id > ($2::text[])[1]::uuid order by id limit $3

-- name: runs_done
select array[id::text] as at, id, retention, namespace, name, version, status, input, output, error, started_by,
    created_at, started_at, ended_at, parent, schedule, fire_at, rerun_of, root, test, attributes
from runs_done where tenant = $1 and id > ($2::text[])[1]::uuid order by id limit $3

-- name: history
-- Of one run: its class and its id come before the position.
select array[first_seq::text] as at, run, first_seq, last_seq, items
from history
where tenant = $1 and retention = $4 and run = $5 and first_seq > ($2::text[])[1]::integer order by first_seq limit $3

-- name: approvals
select array[id::text] as at, id, run, workflow, task, shown, approvers, state, asked_at, expires_at, decision, comment,
    decided_by, closed_at
from approvals where tenant = $1 and id > ($2::text[])[1]::uuid order by id limit $3

-- name: events
select array[source, id] as at, source, id, type, body, received_at, test
from events_in
where tenant = $1 and (source, id) > (($2::text[])[1], ($2::text[])[2]) order by source, id limit $3

-- name: dead_letters
select array[id::text] as at, id, kind, service, reason, detail, run, path, attempt, function, item, body, created_at,
    resolved_at, resolved_by, resolution
from dead_letters where tenant = $1 and id > ($2::text[])[1]::uuid order by id limit $3

-- name: usage
select array[day::text, namespace, name] as at, day, namespace, name, accepted, retried, completed, faulted, cancelled,
    tasks, deliveries, artifact_bytes
from usage_days
where tenant = $1 and (day, namespace, name) > (($2::text[])[1]::date, ($2::text[])[2], ($2::text[])[3])
order by day, namespace, name limit $3

-- name: audit
select array[seq::text] as at, seq, "at" as time, actor, action, target, reason, request_id, details,
    encode(previous, 'hex') as previous, encode(hash, 'hex') as hash
from audit where tenant = $1 and seq > ($2::text[])[1]::bigint order by seq limit $3
