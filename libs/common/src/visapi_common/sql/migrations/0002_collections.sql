-- What schedules have collected: the events of a correlation that wait for the others. The transition of the
-- schedule's listener (`run`) writes a row, and deletes it when it starts the workflow.
create table collections (
    run uuid not null,
    key text collate "C" not null,
    tenant text not null,
    namespace text not null,
    name text not null,
    body bytea not null,
    size integer not null,
    began_at timestamptz not null,
    primary key (run, key)
);
-- How much one schedule holds, from the index alone.
create index collections_size on collections (run) include (size);
create index collections_age on collections (began_at);
