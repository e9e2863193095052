-- Bookkeeping of migrations. `5647214` is an arbitrary constant: the key of the advisory lock that
-- lets one process migrate at a time.

-- name: lock
-- False: another session has it.
select pg_try_advisory_lock(5647214)

-- name: unlock
select pg_advisory_unlock(5647214)

-- name: missing_roles
select coalesce(array_agg(name), '{}')
from unnest(array['visapi_gateway', 'visapi_orchestrator', 'visapi_notifier']) as wanted (name)
where not exists (select from pg_roles where rolname = wanted.name)

-- name: prepared
select to_regclass('visapi.migrations') is not null

-- name: wait_shortly
-- Shorter than `deadlock_timeout` (1 s): where a migration and a service wait for each other, the migration gives up,
-- before PostgreSQL refuses the transaction of the service.
set local lock_timeout = '500ms'

-- name: prepare
create schema if not exists visapi;
set search_path to visapi;
create table if not exists migrations (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
)

-- name: applied
select name, sha256 from visapi.migrations

-- name: record
insert into migrations (name, sha256) values ($1, $2)
