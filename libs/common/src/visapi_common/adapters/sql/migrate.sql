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

-- name: adopt
-- What the migrations before the baseline left behind, or named otherwise.
drop function if exists ensure_partitions(integer);
alter table api_keys drop column if exists pepper_version;
alter table if exists flow_turns rename to rate_reservations;
alter index if exists flow_turns_pkey rename to rate_reservations_pkey;
alter index if exists flow_turns_by_key rename to rate_reservations_by_key;
alter index if exists flow_turns_age rename to rate_reservations_age;
update timers set id = '#rate' where id = '#turn';
delete from migrations
