-- Webhooks that were given up are dead letters too (`webhook`). `workflow` says what a letter is about, as
-- `namespace/name`; a body that was edited before its replay says by whom; `bulk` is the replay of many that asked for it.
alter table dead_letters
    add column workflow text,
    add column edited_at timestamptz,
    add column edited_by text,
    add column bulk uuid,
    drop constraint dead_letters_kind_check,
    add constraint dead_letters_kind_check check (
        kind in (
            'message', 'event', 'emit', 'schedule', 'function', 'timer', 'inbox', 'run', 'lifecycle', 'webhook'
        )
    );

-- Replays of many dead letters: what was asked for, and how far it came. Letters are asked for in the order of their ids,
-- up to the id of the replay; `rate_per_s` letters each second.
create table dead_letter_replays (
    id uuid primary key,
    tenant text not null,
    kind text,
    reason text,
    function text,
    workflow text,
    created_after timestamptz,
    created_before timestamptz,
    rate_per_s integer not null check (rate_per_s > 0),
    state text not null default 'running' check (state in ('running', 'done', 'aborted')),
    counted integer not null,
    asked integer not null default 0,
    replayed integer not null default 0,
    failed integer not null default 0,
    last uuid,
    next_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    created_by text not null,
    ended_at timestamptz,
    ended_by text
);
create index dead_letter_replays_of_tenant on dead_letter_replays (tenant, id desc);
create index dead_letter_replays_running on dead_letter_replays (next_at) where state = 'running';
create index dead_letter_replays_age on dead_letter_replays (created_at);
