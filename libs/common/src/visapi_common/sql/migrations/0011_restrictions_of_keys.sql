-- What a key is limited to, beside its scopes; null: to nothing. A key that is disabled has `disabled_at`, as one that
-- was revoked, so that every release refuses it; only one that `may_return` can be enabled again.
alter table api_keys
    add column workflows text[],
    add column allowed_addresses text[],
    add column denied_addresses text[],
    add column may_return boolean not null default false,
    add column reason text,
    add column last_used_from text;
