-- Bookkeeping of migrations. `5647214` is an arbitrary constant: the key of the advisory lock that
-- lets one process migrate at a time.

-- name: lock
select pg_advisory_lock(5647214)

-- name: unlock
select pg_advisory_unlock(5647214)

-- name: prepare
create schema if not exists visapi;
set search_path to visapi;
create table if not exists migrations (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
)

-- name: applied
select name, sha256 from migrations

-- name: record
insert into migrations (name, sha256) values ($1, $2)
