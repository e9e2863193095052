-- How far the lifecycle of runs has been told to the world.
--
-- `history.xid` is the transaction that wrote a row. Once every transaction below some number is over, the
-- rows below it are all there that will ever be: a reader that goes no further than that misses none,
-- whatever the order of commits. Rows from before this migration have none and are never told.

alter table history add column xid xid8;
alter table history alter column xid set default pg_current_xact_id();
-- Appended at its right end; equal numbers of one batch share an entry.
create index history_by_xid on history (xid) where xid is not null;

-- One row: everything below `xid` has been told.
create table lifecycle_relay (
    one boolean primary key default true check (one),
    xid xid8 not null
);
insert into lifecycle_relay (xid) values (pg_current_xact_id());
