-- What a loop set aside because it failed alone: a row of some table, or a message, with what puts it back.

-- `kind` says of what (null: a task whose outcome nobody knows), `item` names it, `body` holds its bytes.
-- `digest` tells two of the same; one stands open at most once. A letter that is resolved by `replay` is put
-- back by the orchestrator, which then notes `replayed_at`.
alter table dead_letters
    add column kind text check (
        kind in ('message', 'event', 'emit', 'schedule', 'function', 'timer', 'inbox', 'run', 'lifecycle')
    ),
    add column item text[] not null default '{}',
    add column headers bytea,
    add column digest bytea,
    add column replayed_at timestamptz;
create unique index dead_letters_item_once on dead_letters (digest) where resolved_at is null;
create index dead_letters_to_replay on dead_letters (resolved_at)
    where resolution = 'replay' and replayed_at is null;
create index dead_letters_age on dead_letters (created_at) where kind is not null;

-- Rows that stay where they are, for people to see and mend, and that no loop takes.
alter table schedules add column quarantined_at timestamptz;
alter table functions add column quarantined_at timestamptz;
