-- Open dead letters by what they are about: counted, and the oldest found.
create index concurrently dead_letters_open_by_kind on dead_letters ((case when kind is null then reason else kind end), created_at) where resolved_at is null;
