-- What the migrations and `roles.sql` make, for the reader: generated, nobody applies this file. Partitions by day are
-- left out. `VISAPI_TEST_FREEZE=1 .venv/bin/pytest tests/contract/test_schema.py` writes the file anew.

create table account_versions (
    tenant text not null,
    name text not null,
    version integer not null,
    id uuid not null,
    settings bytea not null,
    shown bytea not null,
    sealed bytea not null,
    sealed_with text not null,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    PRIMARY KEY (tenant, name, version),
    FOREIGN KEY (tenant, name) REFERENCES accounts(tenant, name) ON DELETE CASCADE
);
alter table account_versions enable row level security;
alter table account_versions force row level security;
create policy gateway_tenants on account_versions to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on account_versions to visapi_notifier using (true);
create policy orchestrator_all on account_versions to visapi_orchestrator using (true);
create policy owner_reseals on account_versions to visapi_owner using (true);
grant delete, insert on account_versions to visapi_gateway;
grant select on account_versions to visapi_notifier;
grant delete on account_versions to visapi_orchestrator;
grant select (tenant, name, version, settings, shown, created_at, created_by) on account_versions to visapi_gateway;
grant select (tenant, name, version) on account_versions to visapi_orchestrator;

create table accounts (
    tenant text not null,
    name text not null,
    kind text not null,
    is_default boolean default false not null,
    version integer default 1 not null,
    latest integer default 1 not null,
    overlap_version integer,
    overlap_until timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    updated_at timestamp with time zone default now() not null,
    updated_by text not null,
    PRIMARY KEY (tenant, name),
    FOREIGN KEY (tenant) REFERENCES tenants(id)
);
CREATE UNIQUE INDEX accounts_by_default ON accounts USING btree (tenant, kind) WHERE is_default;
alter table accounts enable row level security;
alter table accounts force row level security;
create policy gateway_tenants on accounts to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on accounts to visapi_notifier using (true);
create policy orchestrator_all on accounts to visapi_orchestrator using (true);
grant delete, insert, select on accounts to visapi_gateway;
grant select on accounts to visapi_notifier;
grant delete on accounts to visapi_orchestrator;
grant update (is_default, version, latest, overlap_version, overlap_until, updated_at, updated_by) on accounts to visapi_gateway;
grant select (tenant, name) on accounts to visapi_orchestrator;

create table api_keys (
    id text not null,
    tenant text not null,
    kind text not null,
    name text not null,
    hash bytea not null,
    scopes text[] not null,
    created_by text not null,
    created_at timestamp with time zone default now() not null,
    not_before timestamp with time zone,
    expires_at timestamp with time zone,
    disabled_at timestamp with time zone,
    last_used_at timestamp with time zone,
    pepper text,
    workflows text[],
    allowed_addresses text[],
    denied_addresses text[],
    may_return boolean default false not null,
    reason text,
    last_used_from text,
    PRIMARY KEY (id),
    CHECK ((kind = ANY (ARRAY['live'::text, 'test'::text, 'admin'::text]))),
    FOREIGN KEY (tenant) REFERENCES tenants(id)
);
CREATE INDEX api_keys_by_end ON api_keys USING btree (COALESCE(LEAST(disabled_at, expires_at), 'infinity'::timestamp with time zone));
CREATE INDEX api_keys_disabled ON api_keys USING btree (tenant) WHERE may_return;
CREATE INDEX api_keys_of_tenant ON api_keys USING btree (tenant, id);
CREATE INDEX api_keys_of_tenant_by_end ON api_keys USING btree (tenant, COALESCE(LEAST(disabled_at, expires_at), 'infinity'::timestamp with time zone));
grant insert, select, update on api_keys to visapi_gateway;
grant delete on api_keys to visapi_orchestrator;
grant select (id, tenant, expires_at, disabled_at, may_return) on api_keys to visapi_orchestrator;

create table approvals (
    tenant text not null,
    id uuid not null,
    run uuid not null,
    path text not null,
    workflow text not null,
    task text not null,
    shown bytea not null,
    approvers text[] not null,
    keys bytea[] not null,
    state text default 'open'::text not null,
    asked_at timestamp with time zone not null,
    expires_at timestamp with time zone,
    decision text,
    comment text,
    decided_by text,
    closed_at timestamp with time zone,
    PRIMARY KEY (tenant, id),
    CHECK ((state = ANY (ARRAY['open'::text, 'decided'::text, 'expired'::text, 'cancelled'::text])))
);
CREATE INDEX approvals_age ON approvals USING btree (closed_at) WHERE (state <> 'open'::text);
CREATE INDEX approvals_by_run ON approvals USING btree (run);
CREATE INDEX approvals_by_workflow ON approvals USING btree (tenant, workflow COLLATE "C", id) INCLUDE (state);
CREATE INDEX approvals_open ON approvals USING btree (tenant, id DESC) WHERE (state = 'open'::text);
alter table approvals enable row level security;
alter table approvals force row level security;
create policy gateway_tenants on approvals to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy limited_keys on approvals as restrictive for select to visapi_gateway using ((
CASE
    WHEN ((COALESCE(current_setting('visapi.workflows'::text, true), ''::text) = ''::text) OR (split_part(workflow, ':'::text, 1) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text))) OR ((split_part(workflow, '/'::text, 1) || '/*'::text) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text)))) THEN true
    ELSE NULL::boolean
END IS NOT NULL));
create policy notifier_all on approvals to visapi_notifier using (true);
create policy orchestrator_all on approvals to visapi_orchestrator using (true);
grant select on approvals to visapi_gateway;
grant delete, insert, select, update on approvals to visapi_orchestrator;
grant update (state, decision, comment, decided_by, closed_at) on approvals to visapi_gateway;

create table audit (
    tenant text not null,
    seq bigint not null,
    at timestamp with time zone not null,
    actor text not null,
    action text not null,
    target text not null,
    reason text,
    request_id text,
    details bytea not null,
    previous bytea not null,
    hash bytea not null,
    PRIMARY KEY (tenant, seq)
);
CREATE INDEX audit_by_target ON audit USING btree (tenant, target, seq DESC);
CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
alter table audit enable row level security;
alter table audit force row level security;
create policy gateway_tenants on audit to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on audit to visapi_notifier using (true);
create policy orchestrator_all on audit to visapi_orchestrator using (true);
create policy owner_cuts on audit to visapi_owner using (true);
grant insert, select on audit to visapi_gateway;

create table collections (
    run uuid not null,
    key text collate "C" not null,
    tenant text not null,
    namespace text not null,
    name text not null,
    body bytea not null,
    size integer not null,
    began_at timestamp with time zone not null,
    PRIMARY KEY (run, key)
);
CREATE INDEX collections_age ON collections USING btree (began_at);
CREATE INDEX collections_size ON collections USING btree (run) INCLUDE (size);
grant delete, insert, select, update on collections to visapi_orchestrator;

create table dead_letter_replays (
    id uuid not null,
    tenant text not null,
    kind text,
    reason text,
    function text,
    workflow text,
    created_after timestamp with time zone,
    created_before timestamp with time zone,
    rate_per_s integer not null,
    state text default 'running'::text not null,
    counted integer not null,
    asked integer default 0 not null,
    replayed integer default 0 not null,
    failed integer default 0 not null,
    last uuid,
    next_at timestamp with time zone default now() not null,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    ended_at timestamp with time zone,
    ended_by text,
    PRIMARY KEY (id),
    CHECK ((rate_per_s > 0)),
    CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'aborted'::text])))
);
CREATE INDEX dead_letter_replays_age ON dead_letter_replays USING btree (created_at);
CREATE INDEX dead_letter_replays_of_tenant ON dead_letter_replays USING btree (tenant, id DESC);
CREATE INDEX dead_letter_replays_running ON dead_letter_replays USING btree (next_at) WHERE (state = 'running'::text);
alter table dead_letter_replays enable row level security;
alter table dead_letter_replays force row level security;
create policy gateway_tenants on dead_letter_replays to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on dead_letter_replays to visapi_notifier using (true);
create policy orchestrator_all on dead_letter_replays to visapi_orchestrator using (true);
grant insert, select on dead_letter_replays to visapi_gateway;
grant delete, select, update on dead_letter_replays to visapi_orchestrator;
grant update (state, ended_at, ended_by) on dead_letter_replays to visapi_gateway;

create table dead_letters (
    id uuid not null,
    tenant text not null,
    service text not null,
    reason text not null,
    detail text not null,
    run uuid,
    path text,
    attempt integer,
    function text,
    body bytea,
    created_at timestamp with time zone default now() not null,
    resolved_at timestamp with time zone,
    resolved_by text,
    resolution text,
    kind text,
    item text[] default '{}'::text[] not null,
    headers bytea,
    digest bytea,
    replayed_at timestamp with time zone,
    workflow text,
    edited_at timestamp with time zone,
    edited_by text,
    bulk uuid,
    PRIMARY KEY (id),
    CHECK ((kind = ANY (ARRAY['message'::text, 'event'::text, 'emit'::text, 'schedule'::text, 'function'::text, 'timer'::text, 'inbox'::text, 'run'::text, 'lifecycle'::text, 'webhook'::text])))
);
CREATE INDEX dead_letters_age ON dead_letters USING btree (created_at) WHERE (kind IS NOT NULL);
CREATE UNIQUE INDEX dead_letters_item_once ON dead_letters USING btree (digest) WHERE (resolved_at IS NULL);
CREATE INDEX dead_letters_of_kind ON dead_letters USING btree (tenant, (
CASE
    WHEN (kind IS NULL) THEN 'task'::text
    ELSE kind
END), id DESC);
CREATE INDEX dead_letters_of_tenant ON dead_letters USING btree (tenant, id DESC);
CREATE UNIQUE INDEX dead_letters_once ON dead_letters USING btree (run, path, attempt, reason);
CREATE INDEX dead_letters_open ON dead_letters USING btree (tenant, id DESC) WHERE (resolved_at IS NULL);
CREATE INDEX dead_letters_open_by_kind ON dead_letters USING btree ((
CASE
    WHEN (kind IS NULL) THEN reason
    ELSE kind
END), created_at) WHERE (resolved_at IS NULL);
CREATE INDEX dead_letters_to_replay ON dead_letters USING btree (resolved_at) WHERE ((resolution = 'replay'::text) AND (replayed_at IS NULL));
CREATE INDEX dead_letters_without_run ON dead_letters USING btree (created_at) WHERE (run IS NULL);
alter table dead_letters enable row level security;
alter table dead_letters force row level security;
create policy gateway_tenants on dead_letters to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy gateway_unknown_tenants on dead_letters to visapi_gateway using (((current_setting('visapi.unknown_tenants'::text, true) = 'on'::text) AND (NOT (EXISTS ( SELECT
   FROM tenants t
  WHERE (t.id = dead_letters.tenant))))));
create policy notifier_all on dead_letters to visapi_notifier using (true);
create policy orchestrator_all on dead_letters to visapi_orchestrator using (true);
grant select on dead_letters to visapi_gateway;
grant insert on dead_letters to visapi_notifier;
grant delete, insert, select, update on dead_letters to visapi_orchestrator;
grant update (body, resolved_at, resolved_by, resolution, headers, edited_at, edited_by) on dead_letters to visapi_gateway;
grant select (id, tenant, reason, resolved_at, kind, digest) on dead_letters to visapi_notifier;

create table deliveries (
    effect_key text not null,
    tenant text not null,
    run uuid not null,
    path text not null,
    function text not null,
    state text not null,
    lease_owner text,
    lease_until timestamp with time zone,
    outcome bytea,
    attempts smallint default 1 not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    PRIMARY KEY (effect_key),
    CHECK ((state = ANY (ARRAY['started'::text, 'sent'::text, 'failed'::text, 'uncertain'::text])))
);
CREATE INDEX deliveries_age ON deliveries USING btree (created_at);
grant delete, insert, select, update on deliveries to visapi_notifier;
grant delete on deliveries to visapi_orchestrator;
grant select (effect_key, tenant) on deliveries to visapi_orchestrator;

create table endpoint_attempts (
    message uuid not null,
    number integer not null,
    tenant text not null,
    at timestamp with time zone default now() not null,
    took_ms integer not null,
    status smallint,
    error text,
    response bytea,
    PRIMARY KEY (message, number)
);
CREATE INDEX endpoint_attempts_age ON endpoint_attempts USING btree (at);
alter table endpoint_attempts enable row level security;
alter table endpoint_attempts force row level security;
create policy gateway_tenants on endpoint_attempts to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on endpoint_attempts to visapi_notifier using (true);
create policy orchestrator_all on endpoint_attempts to visapi_orchestrator using (true);
grant select on endpoint_attempts to visapi_gateway;
grant insert on endpoint_attempts to visapi_notifier;
grant delete, select on endpoint_attempts to visapi_orchestrator;

create table endpoint_messages (
    tenant text not null,
    endpoint uuid not null,
    seq bigint generated always as identity not null,
    id uuid default gen_random_uuid() not null,
    news bigint not null,
    type text not null,
    size integer not null,
    created_at timestamp with time zone default now() not null,
    state text default 'pending'::text not null,
    attempts integer default 0 not null,
    attempts_left smallint default 10 not null,
    next_at timestamp with time zone default now() not null,
    lease_owner text,
    ended_at timestamp with time zone,
    PRIMARY KEY (tenant, endpoint, seq),
    CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])))
) with (fillfactor=80);
CREATE INDEX endpoint_messages_age ON endpoint_messages USING btree (created_at);
CREATE UNIQUE INDEX endpoint_messages_by_id ON endpoint_messages USING btree (id);
CREATE INDEX endpoint_messages_due ON endpoint_messages USING btree (tenant, endpoint, next_at) WHERE (state = 'pending'::text);
CREATE INDEX endpoint_messages_ended ON endpoint_messages USING btree (tenant, endpoint, seq) WHERE (state <> 'pending'::text);
CREATE INDEX endpoint_messages_news ON endpoint_messages USING btree (tenant, news) WHERE (state = 'pending'::text);
CREATE INDEX endpoint_messages_pending ON endpoint_messages USING btree (tenant, endpoint, seq) WHERE (state = 'pending'::text);
alter table endpoint_messages enable row level security;
alter table endpoint_messages force row level security;
create policy gateway_tenants on endpoint_messages to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on endpoint_messages to visapi_notifier using (true);
create policy orchestrator_all on endpoint_messages to visapi_orchestrator using (true);
grant insert, select on endpoint_messages to visapi_gateway;
grant select on endpoint_messages to visapi_notifier;
grant delete, insert, select on endpoint_messages to visapi_orchestrator;
grant update (state, attempts_left, next_at, lease_owner, ended_at) on endpoint_messages to visapi_gateway;
grant update (state, attempts, attempts_left, next_at, lease_owner, ended_at) on endpoint_messages to visapi_notifier;
grant update (state, attempts_left, next_at, lease_owner, ended_at) on endpoint_messages to visapi_orchestrator;

create table endpoint_news (
    tenant text not null,
    seq bigint generated always as identity not null,
    type text not null,
    about text not null,
    at timestamp with time zone not null,
    data bytea not null,
    created_at timestamp with time zone default now() not null,
    waiting boolean default true not null,
    PRIMARY KEY (tenant, seq)
);
CREATE INDEX endpoint_news_age ON endpoint_news USING btree (created_at);
CREATE INDEX endpoint_news_waiting ON endpoint_news USING btree (tenant, seq) WHERE waiting;
alter table endpoint_news enable row level security;
alter table endpoint_news force row level security;
create policy gateway_tenants on endpoint_news to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on endpoint_news to visapi_notifier using (true);
create policy orchestrator_all on endpoint_news to visapi_orchestrator using (true);
grant insert, select on endpoint_news to visapi_gateway;
grant select on endpoint_news to visapi_notifier;
grant delete, insert, select on endpoint_news to visapi_orchestrator;
grant update (waiting) on endpoint_news to visapi_orchestrator;

create table endpoint_relay (
    one boolean default true not null,
    xid xid8 not null,
    PRIMARY KEY (one),
    CHECK (one)
);
grant select on endpoint_relay to visapi_orchestrator;
grant update (xid) on endpoint_relay to visapi_orchestrator;

create table endpoint_secrets (
    tenant text not null,
    endpoint uuid not null,
    id uuid not null,
    sealed bytea not null,
    sealed_with text not null,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    expires_at timestamp with time zone,
    PRIMARY KEY (tenant, endpoint, id),
    FOREIGN KEY (tenant, endpoint) REFERENCES endpoints(tenant, id) ON DELETE CASCADE
);
alter table endpoint_secrets enable row level security;
alter table endpoint_secrets force row level security;
create policy gateway_tenants on endpoint_secrets to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on endpoint_secrets to visapi_notifier using (true);
create policy orchestrator_all on endpoint_secrets to visapi_orchestrator using (true);
create policy owner_reseals on endpoint_secrets to visapi_owner using (true);
grant delete, insert on endpoint_secrets to visapi_gateway;
grant select on endpoint_secrets to visapi_notifier;
grant delete on endpoint_secrets to visapi_orchestrator;
grant select (tenant, endpoint, id, created_at, created_by, expires_at) on endpoint_secrets to visapi_gateway;
grant update (expires_at) on endpoint_secrets to visapi_gateway;
grant select (tenant, endpoint, id) on endpoint_secrets to visapi_orchestrator;

create table endpoints (
    tenant text not null,
    id uuid not null,
    name text not null,
    url text not null,
    types text[] not null,
    wants smallint not null,
    workflows text[],
    sources text[],
    ordered boolean default false not null,
    enabled boolean default true not null,
    disabled_reason text,
    disabled_at timestamp with time zone,
    noticed_at timestamp with time zone,
    failing_since timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    updated_at timestamp with time zone default now() not null,
    updated_by text not null,
    deleted_at timestamp with time zone,
    PRIMARY KEY (tenant, id),
    CHECK ((disabled_reason = ANY (ARRAY['key'::text, 'gone'::text, 'failing'::text, 'full'::text]))),
    FOREIGN KEY (tenant) REFERENCES tenants(id)
);
CREATE UNIQUE INDEX endpoints_by_name ON endpoints USING btree (tenant, name) WHERE (deleted_at IS NULL);
CREATE INDEX endpoints_deleted ON endpoints USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX endpoints_to_announce ON endpoints USING btree (disabled_at) WHERE ((disabled_at IS NOT NULL) AND (noticed_at IS NULL));
CREATE INDEX endpoints_wanting ON endpoints USING btree (tenant, wants) WHERE (enabled AND (deleted_at IS NULL));
alter table endpoints enable row level security;
alter table endpoints force row level security;
create policy gateway_tenants on endpoints to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on endpoints to visapi_notifier using (true);
create policy orchestrator_all on endpoints to visapi_orchestrator using (true);
grant insert, select on endpoints to visapi_gateway;
grant select on endpoints to visapi_notifier;
grant delete, select on endpoints to visapi_orchestrator;
grant update (url, types, wants, workflows, sources, ordered, enabled, disabled_reason, disabled_at, noticed_at, failing_since, updated_at, updated_by, deleted_at) on endpoints to visapi_gateway;
grant update (enabled, disabled_reason, disabled_at, failing_since) on endpoints to visapi_notifier;
grant update (enabled, disabled_reason, disabled_at, noticed_at) on endpoints to visapi_orchestrator;

create table events_in (
    tenant text not null,
    source text not null,
    id text not null,
    type text not null,
    body bytea not null,
    received_at timestamp with time zone default now() not null,
    matched_at timestamp with time zone,
    publish boolean default false not null,
    published_at timestamp with time zone,
    test boolean default false not null,
    PRIMARY KEY (tenant, source, id)
);
CREATE INDEX events_in_age ON events_in USING btree (received_at);
CREATE INDEX events_in_unmatched ON events_in USING btree (received_at) WHERE (matched_at IS NULL);
CREATE INDEX events_in_unpublished ON events_in USING btree (received_at) WHERE (publish AND (published_at IS NULL));
alter table events_in enable row level security;
alter table events_in force row level security;
create policy gateway_tenants on events_in to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on events_in to visapi_notifier using (true);
create policy orchestrator_all on events_in to visapi_orchestrator using (true);
grant insert, select on events_in to visapi_gateway;
grant delete, insert, select, update on events_in to visapi_orchestrator;

create table families (
    root uuid not null,
    tenant text not null,
    touched_at timestamp with time zone default now() not null,
    cancelled_at timestamp with time zone,
    settled_at timestamp with time zone,
    PRIMARY KEY (root)
);
CREATE INDEX families_to_cancel ON families USING btree (cancelled_at) WHERE ((cancelled_at IS NOT NULL) AND (settled_at IS NULL));
alter table families enable row level security;
alter table families force row level security;
create policy gateway_tenants on families to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on families to visapi_notifier using (true);
create policy orchestrator_all on families to visapi_orchestrator using (true);
grant insert, select on families to visapi_gateway;
grant delete, insert, select, update on families to visapi_orchestrator;
grant update (touched_at, cancelled_at, settled_at) on families to visapi_gateway;

create table flow_slots (
    run uuid not null,
    tenant text not null,
    scope text not null,
    key text not null,
    lim integer not null,
    inherited boolean default false not null,
    since timestamp with time zone default now() not null,
    PRIMARY KEY (run)
);
CREATE INDEX flow_slots_by_key ON flow_slots USING btree (tenant, scope, key);
alter table flow_slots enable row level security;
alter table flow_slots force row level security;
create policy gateway_tenants on flow_slots to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on flow_slots to visapi_notifier using (true);
create policy orchestrator_all on flow_slots to visapi_orchestrator using (true);
grant select on flow_slots to visapi_gateway;
grant delete, insert, select, update on flow_slots to visapi_orchestrator;

create table flow_waiting (
    run uuid not null,
    tenant text not null,
    scope text not null,
    key text not null,
    lim integer not null,
    on_limit text not null,
    priority smallint not null,
    since timestamp with time zone default now() not null,
    ready_at timestamp with time zone default now() not null,
    PRIMARY KEY (run),
    CHECK ((on_limit = ANY (ARRAY['queue'::text, 'reject'::text, 'cancel-oldest'::text]))),
    CHECK (((priority >= 0) AND (priority <= 9)))
);
CREATE INDEX flow_waiting_by_key ON flow_waiting USING btree (tenant, scope, key, priority, since, run);
alter table flow_waiting enable row level security;
alter table flow_waiting force row level security;
create policy gateway_tenants on flow_waiting to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on flow_waiting to visapi_notifier using (true);
create policy orchestrator_all on flow_waiting to visapi_orchestrator using (true);
grant select on flow_waiting to visapi_gateway;
grant delete, insert, select, update on flow_waiting to visapi_orchestrator;

create table functions (
    owner text not null,
    name text not null,
    version text not null,
    spec bytea not null,
    announced_at timestamp with time zone default now() not null,
    quarantined_at timestamp with time zone,
    PRIMARY KEY (owner, name, version)
);
grant select on functions to visapi_gateway;
grant delete, insert, select, update on functions to visapi_orchestrator;

create table history (
    run uuid not null,
    first_seq integer not null,
    last_seq integer not null,
    tenant text not null,
    retention text default 'standard'::text not null,
    items bytea not null,
    xid xid8 default pg_current_xact_id(),
    PRIMARY KEY (retention, run, first_seq)
) partition by LIST (retention);
CREATE INDEX history_by_xid ON ONLY history USING btree (xid) WHERE (xid IS NOT NULL);
alter table history enable row level security;
alter table history force row level security;
create policy gateway_tenants on history to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on history to visapi_notifier using (true);
create policy orchestrator_all on history to visapi_orchestrator using (true);
grant select on history to visapi_gateway;
grant delete, insert, select, update on history to visapi_orchestrator;

create table hook_bodies (
    tenant text not null,
    id uuid not null,
    event bytea not null,
    size integer not null,
    PRIMARY KEY (tenant, id)
);
alter table hook_bodies enable row level security;
alter table hook_bodies force row level security;
create policy gateway_tenants on hook_bodies to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on hook_bodies to visapi_notifier using (true);
create policy orchestrator_all on hook_bodies to visapi_orchestrator using (true);
grant delete, insert, select on hook_bodies to visapi_gateway;
grant delete, select on hook_bodies to visapi_orchestrator;

create table hook_deliveries (
    tenant text not null,
    hook uuid not null,
    delivery text not null,
    id uuid not null,
    type text not null,
    subject text,
    size integer not null,
    received_at timestamp with time zone default now() not null,
    replays integer default 0 not null,
    replayed_at timestamp with time zone,
    PRIMARY KEY (tenant, hook, delivery)
);
CREATE INDEX hook_deliveries_age ON hook_deliveries USING btree (received_at);
CREATE INDEX hook_deliveries_of_hook ON hook_deliveries USING btree (tenant, hook, id DESC);
CREATE INDEX hook_deliveries_of_tenant ON hook_deliveries USING btree (tenant, received_at);
alter table hook_deliveries enable row level security;
alter table hook_deliveries force row level security;
create policy gateway_tenants on hook_deliveries to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on hook_deliveries to visapi_notifier using (true);
create policy orchestrator_all on hook_deliveries to visapi_orchestrator using (true);
grant delete, insert, select on hook_deliveries to visapi_gateway;
grant delete, select on hook_deliveries to visapi_orchestrator;
grant update (replays, replayed_at) on hook_deliveries to visapi_gateway;

create table hook_refusals (
    tenant text not null,
    hook uuid not null,
    reason text not null,
    count bigint not null,
    last_at timestamp with time zone not null,
    PRIMARY KEY (tenant, hook, reason),
    FOREIGN KEY (tenant, hook) REFERENCES hooks(tenant, id) ON DELETE CASCADE
);
alter table hook_refusals enable row level security;
alter table hook_refusals force row level security;
create policy gateway_tenants on hook_refusals to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on hook_refusals to visapi_notifier using (true);
create policy orchestrator_all on hook_refusals to visapi_orchestrator using (true);
grant insert, select, update on hook_refusals to visapi_gateway;
grant delete, select on hook_refusals to visapi_orchestrator;

create table hook_refused_requests (
    tenant text not null,
    hook uuid not null,
    id uuid not null,
    at timestamp with time zone not null,
    reason text not null,
    detail text not null,
    address text not null,
    PRIMARY KEY (tenant, hook, id),
    FOREIGN KEY (tenant, hook) REFERENCES hooks(tenant, id) ON DELETE CASCADE
);
alter table hook_refused_requests enable row level security;
alter table hook_refused_requests force row level security;
create policy gateway_tenants on hook_refused_requests to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on hook_refused_requests to visapi_notifier using (true);
create policy orchestrator_all on hook_refused_requests to visapi_orchestrator using (true);
grant delete, insert, select on hook_refused_requests to visapi_gateway;
grant delete, select on hook_refused_requests to visapi_orchestrator;

create table hook_secrets (
    tenant text not null,
    hook uuid not null,
    id uuid not null,
    purpose text not null,
    sealed bytea not null,
    sealed_with text not null,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    expires_at timestamp with time zone,
    PRIMARY KEY (tenant, hook, id),
    CHECK ((purpose = ANY (ARRAY['signature'::text, 'handshake'::text]))),
    FOREIGN KEY (tenant, hook) REFERENCES hooks(tenant, id) ON DELETE CASCADE
);
alter table hook_secrets enable row level security;
alter table hook_secrets force row level security;
create policy gateway_tenants on hook_secrets to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on hook_secrets to visapi_notifier using (true);
create policy orchestrator_all on hook_secrets to visapi_orchestrator using (true);
create policy owner_reseals on hook_secrets to visapi_owner using (true);
grant delete, insert on hook_secrets to visapi_gateway;
grant delete on hook_secrets to visapi_orchestrator;
grant select (tenant, hook, id, purpose, created_at, created_by, expires_at) on hook_secrets to visapi_gateway;
grant update (expires_at) on hook_secrets to visapi_gateway;
grant select (tenant, hook, id) on hook_secrets to visapi_orchestrator;

create table hook_usage (
    tenant text not null,
    deliveries bigint not null,
    bytes bigint not null,
    PRIMARY KEY (tenant)
);
alter table hook_usage enable row level security;
alter table hook_usage force row level security;
create policy gateway_tenants on hook_usage to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on hook_usage to visapi_notifier using (true);
create policy orchestrator_all on hook_usage to visapi_orchestrator using (true);
grant insert, select, update on hook_usage to visapi_gateway;
grant delete, select, update on hook_usage to visapi_orchestrator;

create table hooks (
    tenant text not null,
    id uuid not null,
    name text not null,
    address text not null,
    provider text not null,
    settings bytea not null,
    enabled boolean default true not null,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    updated_at timestamp with time zone default now() not null,
    updated_by text not null,
    deleted_at timestamp with time zone,
    PRIMARY KEY (tenant, id),
    UNIQUE (address),
    CHECK ((provider = ANY (ARRAY['github'::text, 'stripe'::text, 'slack'::text, 'shopify'::text, 'standard-webhooks'::text, 'whatsapp'::text, 'hmac'::text, 'basic'::text, 'none'::text]))),
    FOREIGN KEY (tenant) REFERENCES tenants(id)
);
CREATE UNIQUE INDEX hooks_by_name ON hooks USING btree (tenant, name) WHERE (deleted_at IS NULL);
CREATE INDEX hooks_deleted ON hooks USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
alter table hooks enable row level security;
alter table hooks force row level security;
create policy gateway_tenants on hooks to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on hooks to visapi_notifier using (true);
create policy orchestrator_all on hooks to visapi_orchestrator using (true);
create policy owner_finds on hooks for select to visapi_owner using (true);
grant insert, select on hooks to visapi_gateway;
grant delete, select on hooks to visapi_orchestrator;
grant update (settings, enabled, updated_at, updated_by, deleted_at) on hooks to visapi_gateway;

create table idempotency (
    tenant text not null,
    key text not null,
    run uuid not null,
    body_hash bytea not null,
    created_at timestamp with time zone default now() not null,
    answer text,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_age ON idempotency USING btree (created_at);
alter table idempotency enable row level security;
alter table idempotency force row level security;
create policy gateway_tenants on idempotency to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on idempotency to visapi_notifier using (true);
create policy orchestrator_all on idempotency to visapi_orchestrator using (true);
grant insert, select on idempotency to visapi_gateway;
grant delete, select on idempotency to visapi_orchestrator;

create table inbox (
    run uuid not null,
    key text not null,
    tenant text not null,
    kind text not null,
    body bytea not null,
    created_at timestamp with time zone default now() not null,
    sweep_at timestamp with time zone default (now() + '00:00:02'::interval) not null,
    sweeps smallint default 0 not null,
    seq bigint generated always as identity not null,
    PRIMARY KEY (run, key)
);
CREATE INDEX inbox_overdue ON inbox USING btree (sweep_at);
alter table inbox enable row level security;
alter table inbox force row level security;
create policy gateway_tenants on inbox to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on inbox to visapi_notifier using (true);
create policy orchestrator_all on inbox to visapi_orchestrator using (true);
grant insert, select on inbox to visapi_gateway;
grant delete, insert, select, update on inbox to visapi_orchestrator;

create table lifecycle_relay (
    one boolean default true not null,
    xid xid8 not null,
    PRIMARY KEY (one),
    CHECK (one)
);
grant select on lifecycle_relay to visapi_orchestrator;
grant update (xid) on lifecycle_relay to visapi_orchestrator;

create table migrations (
    name text not null,
    sha256 text not null,
    applied_at timestamp with time zone default now() not null,
    PRIMARY KEY (name)
);

create table open_runs (
    tenant text not null,
    open bigint not null,
    open_max bigint not null,
    counted_at timestamp with time zone default now() not null,
    PRIMARY KEY (tenant)
);
grant select on open_runs to visapi_gateway;
grant delete, insert, select, update on open_runs to visapi_orchestrator;

create table programs (
    hash bytea not null,
    body bytea not null,
    PRIMARY KEY (hash)
);
grant insert, select on programs to visapi_gateway;
grant select on programs to visapi_orchestrator;

create table quota_leases (
    tenant text not null,
    subject text not null,
    period text not null,
    began date not null,
    used bigint not null,
    most bigint not null,
    granted bigint not null,
    PRIMARY KEY (tenant, subject, period),
    CHECK ((period = ANY (ARRAY['day'::text, 'month'::text])))
) with (fillfactor=50);
grant delete, insert, select, update on quota_leases to visapi_gateway;
grant delete, select on quota_leases to visapi_orchestrator;

create table rate_leases (
    tenant text not null,
    subject text not null,
    arrival timestamp with time zone not null,
    leased_at timestamp with time zone not null,
    step_s double precision not null,
    burst integer not null,
    granted integer not null,
    PRIMARY KEY (tenant, subject)
) with (fillfactor=50);
grant delete, insert, select, update on rate_leases to visapi_gateway;
grant delete, select on rate_leases to visapi_orchestrator;

create table rate_reservations (
    run uuid not null,
    tenant text not null,
    scope text not null,
    key text not null,
    at timestamp with time zone not null,
    counts_until timestamp with time zone not null,
    PRIMARY KEY (run)
);
CREATE INDEX rate_reservations_age ON rate_reservations USING btree (counts_until);
CREATE INDEX rate_reservations_by_key ON rate_reservations USING btree (tenant, scope, key, at DESC);
grant delete, insert, select, update on rate_reservations to visapi_orchestrator;

create table rates (
    tenant text not null,
    subject text not null,
    per_s double precision,
    burst integer,
    runs_per_day bigint,
    runs_per_month bigint,
    open_runs_max bigint,
    keys text[] default '{}'::text[] not null,
    updated_at timestamp with time zone default now() not null,
    updated_by text not null,
    PRIMARY KEY (tenant, subject),
    CHECK ((burst > 0)),
    CHECK ((open_runs_max >= 0)),
    CHECK (((per_s >= (0.001)::double precision) AND (per_s <= (1000000)::double precision))),
    CHECK ((runs_per_day >= 0)),
    CHECK ((runs_per_month >= 0)),
    FOREIGN KEY (tenant) REFERENCES tenants(id)
);
grant delete, insert, select, update on rates to visapi_gateway;
grant delete, select on rates to visapi_orchestrator;

create table recorded_inputs (
    run uuid not null,
    revision integer not null,
    events bytea not null,
    PRIMARY KEY (run, revision)
);
grant delete, insert, select, update on recorded_inputs to visapi_orchestrator;

create table restores (
    at timestamp with time zone default now() not null,
    before uuid not null,
    PRIMARY KEY (at)
);
grant select on restores to visapi_gateway;
grant select on restores to visapi_notifier;
grant select on restores to visapi_orchestrator;

create table retention_classes (
    name text not null,
    days integer not null,
    width integer not null,
    PRIMARY KEY (name),
    CHECK (((days >= 1) AND (days <= 36500))),
    CHECK (((width >= 1) AND (width <= 366)))
);
grant select on retention_classes to visapi_gateway;
grant select on retention_classes to visapi_orchestrator;
grant update (days) on retention_classes to visapi_orchestrator;

create table retention_policies (
    tenant text not null,
    namespace text not null,
    class text not null,
    updated_at timestamp with time zone default now() not null,
    updated_by text not null,
    PRIMARY KEY (tenant, namespace),
    FOREIGN KEY (class) REFERENCES retention_classes(name)
);
alter table retention_policies enable row level security;
alter table retention_policies force row level security;
create policy gateway_tenants on retention_policies to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on retention_policies to visapi_notifier using (true);
create policy orchestrator_all on retention_policies to visapi_orchestrator using (true);
grant delete, insert, select, update on retention_policies to visapi_gateway;
grant delete, select on retention_policies to visapi_orchestrator;

create table run_attributes (
    retention text not null,
    run uuid not null,
    tenant text not null,
    name text not null,
    value text collate "C" not null,
    folded text collate "C" not null,
    number double precision
) partition by LIST (retention);
CREATE INDEX run_attributes_by_number ON ONLY run_attributes USING btree (tenant, name, number, run DESC) WHERE (number IS NOT NULL);
CREATE INDEX run_attributes_by_run ON ONLY run_attributes USING btree (run);
CREATE INDEX run_attributes_by_text ON ONLY run_attributes USING btree (tenant, folded, run DESC);
CREATE INDEX run_attributes_by_value ON ONLY run_attributes USING btree (tenant, name, value, run DESC);
alter table run_attributes enable row level security;
alter table run_attributes force row level security;
create policy gateway_tenants on run_attributes to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on run_attributes to visapi_notifier using (true);
create policy orchestrator_all on run_attributes to visapi_orchestrator using (true);
grant select on run_attributes to visapi_gateway;
grant delete, insert, select, update on run_attributes to visapi_orchestrator;

create table runs (
    id uuid not null,
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    program bytea not null,
    status text default 'pending'::text not null,
    revision integer default 0 not null,
    seq integer default 0 not null,
    priority smallint default 5 not null,
    partition smallint not null,
    retention text default 'standard'::text not null,
    ready_at timestamp with time zone default now() not null,
    trace text,
    input bytea not null,
    state bytea storage external,
    started_by text not null,
    created_at timestamp with time zone default now() not null,
    started_at timestamp with time zone,
    sweep_at timestamp with time zone default (now() + '00:00:02'::interval) not null,
    sweeps smallint default 0 not null,
    parent uuid,
    parent_path text,
    schedule uuid,
    fire_at timestamp with time zone,
    rerun_of uuid,
    attributes jsonb,
    quiet boolean default false not null,
    root uuid,
    depth smallint default 0 not null,
    test boolean default false not null,
    PRIMARY KEY (id),
    CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'waiting'::text, 'suspended'::text, 'cancelled'::text, 'faulted'::text, 'completed'::text])))
) with (fillfactor=60);
CREATE INDEX runs_by_parent ON runs USING btree (parent) WHERE (parent IS NOT NULL);
CREATE INDEX runs_by_root ON runs USING btree (root) WHERE (root IS NOT NULL);
CREATE INDEX runs_by_schedule ON runs USING btree (schedule) WHERE (schedule IS NOT NULL);
CREATE INDEX runs_by_tenant ON runs USING btree (tenant, id DESC);
CREATE INDEX runs_by_workflow ON runs USING btree (tenant, namespace, name, id DESC);
CREATE INDEX runs_overdue_by_tenant ON runs USING btree (tenant, sweep_at) WHERE (status = 'pending'::text);
CREATE INDEX runs_suspended ON runs USING btree (tenant, id DESC) WHERE (status = 'suspended'::text);
alter table runs enable row level security;
alter table runs force row level security;
create policy gateway_tenants on runs to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy limited_keys on runs as restrictive for select to visapi_gateway using ((
CASE
    WHEN ((COALESCE(current_setting('visapi.workflows'::text, true), ''::text) = ''::text) OR (((namespace || '/'::text) || name) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text))) OR ((namespace || '/*'::text) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text)))) THEN true
    ELSE NULL::boolean
END IS NOT NULL));
create policy notifier_all on runs to visapi_notifier using (true);
create policy orchestrator_all on runs to visapi_orchestrator using (true);
create policy owner_counts on runs for select to visapi_owner using (true);
grant insert, select on runs to visapi_gateway;
grant delete, insert, select, update on runs to visapi_orchestrator;
grant select (id, namespace, name, fire_at, root) on runs to visapi_notifier;

create table runs_done (
    id uuid not null,
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    program bytea not null,
    status text not null,
    revision integer not null,
    seq integer not null,
    priority smallint not null,
    retention text not null,
    trace text,
    input bytea not null,
    output bytea,
    error bytea,
    started_by text not null,
    created_at timestamp with time zone not null,
    started_at timestamp with time zone,
    ended_at timestamp with time zone not null,
    parent uuid,
    parent_path text,
    schedule uuid,
    fire_at timestamp with time zone,
    rerun_of uuid,
    attributes jsonb,
    quiet boolean default false not null,
    resume bytea,
    root uuid,
    depth smallint default 0 not null,
    test boolean default false not null,
    PRIMARY KEY (retention, id),
    CHECK ((status = ANY (ARRAY['cancelled'::text, 'faulted'::text, 'completed'::text])))
) partition by LIST (retention);
CREATE INDEX runs_done_by_parent ON ONLY runs_done USING btree (parent, id DESC) WHERE (parent IS NOT NULL);
CREATE INDEX runs_done_by_schedule ON ONLY runs_done USING btree (schedule, id DESC) WHERE (schedule IS NOT NULL);
CREATE INDEX runs_done_by_tenant ON ONLY runs_done USING btree (tenant, id DESC);
CREATE INDEX runs_done_by_workflow ON ONLY runs_done USING btree (tenant, namespace, name, id DESC);
CREATE INDEX runs_done_not_completed ON ONLY runs_done USING btree (tenant, id DESC) WHERE (status <> 'completed'::text);
alter table runs_done enable row level security;
alter table runs_done force row level security;
create policy gateway_tenants on runs_done to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy limited_keys on runs_done as restrictive for select to visapi_gateway using ((
CASE
    WHEN ((COALESCE(current_setting('visapi.workflows'::text, true), ''::text) = ''::text) OR (((namespace || '/'::text) || name) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text))) OR ((namespace || '/*'::text) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text)))) THEN true
    ELSE NULL::boolean
END IS NOT NULL));
create policy notifier_all on runs_done to visapi_notifier using (true);
create policy orchestrator_all on runs_done to visapi_orchestrator using (true);
grant select on runs_done to visapi_gateway;
grant delete, insert, select, update on runs_done to visapi_orchestrator;

create table schedule_fires (
    schedule uuid not null,
    fire_at timestamp with time zone not null,
    tenant text not null,
    outcome text not null,
    run uuid,
    decided_at timestamp with time zone default now() not null,
    PRIMARY KEY (schedule, fire_at),
    CHECK ((outcome = ANY (ARRAY['started'::text, 'skipped'::text, 'missed'::text, 'backfilled'::text])))
);
CREATE INDEX schedule_fires_age ON schedule_fires USING btree (decided_at);
alter table schedule_fires enable row level security;
alter table schedule_fires force row level security;
create policy gateway_tenants on schedule_fires to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on schedule_fires to visapi_notifier using (true);
create policy orchestrator_all on schedule_fires to visapi_orchestrator using (true);
grant insert, select on schedule_fires to visapi_gateway;
grant delete, insert, select on schedule_fires to visapi_orchestrator;

create table schedule_listeners (
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    run uuid not null,
    PRIMARY KEY (tenant, namespace, name)
);
alter table schedule_listeners enable row level security;
alter table schedule_listeners force row level security;
create policy gateway_tenants on schedule_listeners to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on schedule_listeners to visapi_notifier using (true);
create policy orchestrator_all on schedule_listeners to visapi_orchestrator using (true);
grant delete, insert, select, update on schedule_listeners to visapi_gateway;
grant delete, select on schedule_listeners to visapi_orchestrator;

create table schedules (
    id uuid not null,
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    program bytea not null,
    spec bytea not null,
    anchor timestamp with time zone default now() not null,
    last_fire timestamp with time zone default now() not null,
    last_run uuid,
    buffered timestamp with time zone,
    paused boolean default false not null,
    next_at timestamp with time zone default now() not null,
    next_fire timestamp with time zone,
    quarantined_at timestamp with time zone,
    PRIMARY KEY (id),
    UNIQUE (tenant, namespace, name)
);
CREATE INDEX schedules_due ON schedules USING btree (next_at) WHERE ((NOT paused) AND (quarantined_at IS NULL));
alter table schedules enable row level security;
alter table schedules force row level security;
create policy gateway_tenants on schedules to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy limited_keys on schedules as restrictive for select to visapi_gateway using ((
CASE
    WHEN ((COALESCE(current_setting('visapi.workflows'::text, true), ''::text) = ''::text) OR (((namespace || '/'::text) || name) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text))) OR ((namespace || '/*'::text) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text)))) THEN true
    ELSE NULL::boolean
END IS NOT NULL));
create policy notifier_all on schedules to visapi_notifier using (true);
create policy orchestrator_all on schedules to visapi_orchestrator using (true);
grant delete, insert, select, update on schedules to visapi_gateway;
grant delete, select, update on schedules to visapi_orchestrator;

create table secrets (
    tenant text not null,
    name text not null,
    sealed bytea not null,
    hosts text[],
    updated_at timestamp with time zone default now() not null,
    updated_by text not null,
    sealed_with text,
    PRIMARY KEY (tenant, name)
);
alter table secrets enable row level security;
alter table secrets force row level security;
create policy gateway_tenants on secrets to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on secrets to visapi_notifier using (true);
create policy orchestrator_all on secrets to visapi_orchestrator using (true);
create policy owner_reseals on secrets to visapi_owner using (true);
grant delete, insert on secrets to visapi_gateway;
grant select on secrets to visapi_notifier;
grant delete on secrets to visapi_orchestrator;
grant select (tenant, name, hosts, updated_at, updated_by) on secrets to visapi_gateway;
grant update (sealed, hosts, updated_at, updated_by, sealed_with) on secrets to visapi_gateway;
grant select (tenant, name) on secrets to visapi_orchestrator;

create table started_effects (
    run uuid not null,
    effect_key text not null,
    PRIMARY KEY (run, effect_key)
);
grant delete, insert, select, update on started_effects to visapi_orchestrator;

create table streams (
    name text not null,
    incarnation text not null,
    PRIMARY KEY (name)
);
grant delete, insert, select, update on streams to visapi_orchestrator;

create table subscriptions (
    run uuid not null,
    path text not null,
    n smallint not null,
    tenant text not null,
    shape text collate "C" not null,
    key bytea not null,
    PRIMARY KEY (run, path, n)
);
CREATE INDEX subscriptions_by_key ON subscriptions USING btree (tenant, shape, key);
grant delete, insert, select, update on subscriptions to visapi_orchestrator;

create table tasks (
    run uuid not null,
    path text not null,
    attempt integer not null,
    tenant text not null,
    function text not null,
    effect_key text not null,
    token text not null,
    message bytea not null,
    priority smallint default 5 not null,
    partition smallint not null,
    ready_at timestamp with time zone default now() not null,
    state text default 'queued'::text not null,
    claimed_by text,
    heartbeat_at timestamp with time zone,
    sweep_at timestamp with time zone default (now() + '00:00:30'::interval) not null,
    sweeps smallint default 0 not null,
    created_at timestamp with time zone default now() not null,
    sent_at timestamp with time zone default now(),
    PRIMARY KEY (run, path),
    CHECK ((state = ANY (ARRAY['queued'::text, 'started'::text, 'uncertain'::text])))
) with (fillfactor=80);
CREATE INDEX tasks_held ON tasks USING btree (function, tenant, ready_at) WHERE (sent_at IS NULL);
CREATE INDEX tasks_overdue ON tasks USING btree (tenant, function, sweep_at) WHERE ((sent_at IS NOT NULL) AND (state = ANY (ARRAY['queued'::text, 'started'::text])));
CREATE INDEX tasks_sent ON tasks USING btree (function, tenant) WHERE ((sent_at IS NOT NULL) AND (state <> 'uncertain'::text) AND (split_part(function, '.'::text, 1) = ANY (ARRAY['http'::text, 'notify'::text, 'openapi'::text, 'pdf'::text])));
grant delete, insert, select, update on tasks to visapi_orchestrator;

create table template_versions (
    tenant text not null,
    name text not null,
    version integer not null,
    sha256 bytea not null,
    size integer not null,
    default_locale text not null,
    locales text[] not null,
    description text not null,
    created_at timestamp with time zone default now() not null,
    created_by text not null,
    PRIMARY KEY (tenant, name, version),
    FOREIGN KEY (tenant, name) REFERENCES templates(tenant, name)
);
alter table template_versions enable row level security;
alter table template_versions force row level security;
create policy gateway_tenants on template_versions to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on template_versions to visapi_notifier using (true);
create policy orchestrator_all on template_versions to visapi_orchestrator using (true);
grant insert, select on template_versions to visapi_gateway;
grant delete, select on template_versions to visapi_orchestrator;

create table templates (
    tenant text not null,
    name text not null,
    kind text not null,
    latest integer default 0 not null,
    created_at timestamp with time zone default now() not null,
    retired_at timestamp with time zone,
    PRIMARY KEY (tenant, name),
    CHECK ((kind = ANY (ARRAY['pdf'::text, 'email'::text]))),
    FOREIGN KEY (tenant) REFERENCES tenants(id)
);
alter table templates enable row level security;
alter table templates force row level security;
create policy gateway_tenants on templates to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on templates to visapi_notifier using (true);
create policy orchestrator_all on templates to visapi_orchestrator using (true);
grant insert, select on templates to visapi_gateway;
grant delete, select on templates to visapi_orchestrator;
grant update (latest, retired_at) on templates to visapi_gateway;

create table tenant_erasures (
    tenant text not null,
    requested_at timestamp with time zone default now() not null,
    requested_by text not null,
    reason text not null,
    step text default 'schedule_listeners'::text not null,
    "position" text default ''::text not null,
    found boolean default false not null,
    gone bigint default 0 not null,
    next_at timestamp with time zone default now() not null,
    failure text,
    erased_at timestamp with time zone,
    PRIMARY KEY (tenant),
    FOREIGN KEY (tenant) REFERENCES tenants(id)
);
grant insert, select on tenant_erasures to visapi_gateway;
grant select on tenant_erasures to visapi_orchestrator;
grant update (step, position, found, gone, next_at, failure, erased_at) on tenant_erasures to visapi_orchestrator;

create table tenants (
    id text not null,
    created_at timestamp with time zone default now() not null,
    disabled_at timestamp with time zone,
    created_by text,
    disabled_reason text,
    PRIMARY KEY (id),
    CHECK ((id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);
grant insert, select on tenants to visapi_gateway;
grant select on tenants to visapi_orchestrator;
grant update (disabled_at, disabled_reason) on tenants to visapi_gateway;

create table timers (
    run uuid not null,
    id text not null,
    fire_at timestamp with time zone not null,
    due_at timestamp with time zone not null,
    PRIMARY KEY (run, id)
);
CREATE INDEX timers_due ON timers USING btree (due_at);
grant delete, insert, select, update on timers to visapi_orchestrator;

create table usage_days (
    tenant text not null,
    day date not null,
    namespace text not null,
    name text not null,
    accepted bigint not null,
    retried bigint not null,
    completed bigint not null,
    faulted bigint not null,
    cancelled bigint not null,
    tasks bigint not null,
    deliveries bigint not null,
    artifact_bytes bigint not null,
    PRIMARY KEY (tenant, day, namespace, name)
) with (fillfactor=80);
CREATE INDEX usage_days_age ON usage_days USING btree (day);
alter table usage_days enable row level security;
alter table usage_days force row level security;
create policy gateway_tenants on usage_days to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on usage_days to visapi_notifier using (true);
create policy orchestrator_all on usage_days to visapi_orchestrator using (true);
grant select on usage_days to visapi_gateway;
grant delete, insert, select, update on usage_days to visapi_orchestrator;

create table usage_deltas (
    tenant text not null,
    id bigint generated always as identity not null,
    day date default ((now() AT TIME ZONE 'utc'::text))::date not null,
    namespace text not null,
    name text not null,
    accepted bigint default 0 not null,
    retried bigint default 0 not null,
    completed bigint default 0 not null,
    faulted bigint default 0 not null,
    cancelled bigint default 0 not null,
    tasks bigint default 0 not null,
    deliveries bigint default 0 not null,
    artifact_bytes bigint default 0 not null,
    PRIMARY KEY (tenant, id)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=20000);
alter table usage_deltas enable row level security;
alter table usage_deltas force row level security;
create policy gateway_tenants on usage_deltas to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy notifier_all on usage_deltas to visapi_notifier using (true);
create policy orchestrator_all on usage_deltas to visapi_orchestrator using (true);
grant insert, select on usage_deltas to visapi_gateway;
grant insert on usage_deltas to visapi_notifier;
grant delete, insert, select on usage_deltas to visapi_orchestrator;

create table workflows (
    tenant text not null,
    namespace text not null,
    name text not null,
    version text not null,
    version_order text collate "C" not null,
    source_hash bytea not null,
    source bytea not null,
    media_type text not null,
    program bytea not null,
    created_by text not null,
    created_at timestamp with time zone default now() not null,
    PRIMARY KEY (tenant, namespace, name, version),
    FOREIGN KEY (program) REFERENCES programs(hash)
);
CREATE INDEX workflows_highest ON workflows USING btree (tenant, namespace, name, version_order DESC);
alter table workflows enable row level security;
alter table workflows force row level security;
create policy gateway_tenants on workflows to visapi_gateway using ((tenant = ANY (string_to_array(current_setting('visapi.tenants'::text, true), ','::text))));
create policy limited_keys on workflows as restrictive for select to visapi_gateway using ((
CASE
    WHEN ((COALESCE(current_setting('visapi.workflows'::text, true), ''::text) = ''::text) OR (((namespace || '/'::text) || name) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text))) OR ((namespace || '/*'::text) = ANY (string_to_array(current_setting('visapi.workflows'::text, true), ','::text)))) THEN true
    ELSE NULL::boolean
END IS NOT NULL));
create policy notifier_all on workflows to visapi_notifier using (true);
create policy orchestrator_all on workflows to visapi_orchestrator using (true);
grant insert, select on workflows to visapi_gateway;
grant delete, select on workflows to visapi_orchestrator;

create table history_standard partition of history FOR VALUES IN ('standard') partition by RANGE (run);
create table history_standard_rest partition of history_standard DEFAULT;
create table run_attributes_standard partition of run_attributes FOR VALUES IN ('standard') partition by RANGE (run);
create table run_attributes_standard_rest partition of run_attributes_standard DEFAULT;
create table runs_done_standard partition of runs_done FOR VALUES IN ('standard') partition by RANGE (id);
create table runs_done_standard_rest partition of runs_done_standard DEFAULT;

CREATE OR REPLACE FUNCTION audit_is_append_only()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'visapi', 'pg_temp'
AS $function$
declare
    last record;
begin
    if tg_op = 'DELETE' then
        if old.at < now() - interval '1 day' then
            select a.action, a.details into last from audit a where a.tenant = old.tenant order by a.seq desc limit 1;
            if last.action = 'audit.cut'
                and (convert_from(last.details, 'utf8')::jsonb ->> 'last')::bigint >= old.seq then
                return old;
            end if;
        end if;
    end if;
    raise exception 'audit is append-only';
end
$function$;
grant execute on function audit_is_append_only() to public;

CREATE OR REPLACE FUNCTION check_retention_table(base text, class text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'visapi', 'pg_temp'
AS $function$
begin
    if base is null or base not in ('runs_done', 'history', 'run_attributes') then
        raise exception '% is not partitioned by retention', base;
    end if;
    if not exists (select from retention_classes c where c.name = class) then
        raise exception 'there is no retention class %', class;
    end if;
end
$function$;

CREATE OR REPLACE FUNCTION cut_audit(of_tenant text, up_to bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'visapi', 'pg_temp'
AS $function$
declare
    gone bigint;
begin
    delete from audit where tenant = of_tenant and seq <= up_to;
    get diagnostics gone = row_count;
    return gone;
end
$function$;
grant execute on function cut_audit(text,bigint) to visapi_gateway;

CREATE OR REPLACE FUNCTION drop_partition(base text, class text, first date)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'visapi', 'pg_temp'
 SET lock_timeout TO '500ms'
AS $function$
declare
    parent constant text := base || '_' || class;
begin
    perform check_retention_table(base, class);
    -- Readers lock the parent first; whoever comes later waits here, holding nothing of ours.
    execute format('lock table only %I in access exclusive mode', parent);
    execute format('drop table %I', parent || '_' || to_char(first, 'YYYYMMDD'));
end
$function$;
grant execute on function drop_partition(text,text,date) to visapi_orchestrator;

CREATE OR REPLACE FUNCTION first_id_of(day date)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
    select (lpad(to_hex((extract(epoch from day) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$function$;
grant execute on function first_id_of(date) to public;

CREATE OR REPLACE FUNCTION hooks_at(addresses text[])
 RETURNS TABLE(address text, tenant text, id uuid, name text, provider text, settings bytea, enabled boolean, secret uuid, purpose text, sealed bytea, sealed_with text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'visapi', 'pg_temp'
AS $function$
    select h.address, h.tenant, h.id, h.name, h.provider, h.settings, h.enabled, s.id, s.purpose, s.sealed, s.sealed_with
    from hooks h
    join tenants t on t.id = h.tenant and t.disabled_at is null
    left join hook_secrets s on s.tenant = h.tenant and s.hook = h.id and (s.expires_at is null or s.expires_at > now())
    where h.address = any (addresses) and h.deleted_at is null
$function$;
grant execute on function hooks_at(text[]) to visapi_gateway;

CREATE OR REPLACE FUNCTION lock_partition(base text, class text, first date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'visapi', 'pg_temp'
 SET lock_timeout TO '500ms'
AS $function$
declare
    child constant text := base || '_' || class || '_' || to_char(first, 'YYYYMMDD');
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(child) is null then
        return false;
    end if;
    execute format('lock table only %I in share row exclusive mode', child);
    return true;
end
$function$;
grant execute on function lock_partition(text,text,date) to visapi_orchestrator;

CREATE OR REPLACE FUNCTION make_partition(base text, class text, first date, past date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'visapi', 'pg_temp'
 SET lock_timeout TO '500ms'
AS $function$
declare
    parent constant text := base || '_' || class;
    child constant text := parent || '_' || to_char(first, 'YYYYMMDD');
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(parent) is null then
        return null;
    end if;
    if to_regclass(child) is not null then
        return false;
    end if;
    execute format('create table %I partition of %I for values from (%L) to (%L)',
        child, parent, first_id_of(first), first_id_of(past));
    return true;
exception when check_violation then
    raise notice 'rows of % lie in the default partition of %', first, parent;
    return null;
end
$function$;
grant execute on function make_partition(text,text,date,date) to visapi_orchestrator;

CREATE OR REPLACE FUNCTION make_retention_class(days_kept integer)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'visapi', 'pg_temp'
AS $function$
declare
    class constant text := 'd' || days_kept;
begin
    -- Few classes, as each has its tables: `contracts.retention.DAYS`.
    if days_kept is null
        or days_kept not in (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825, 2555, 3650) then
        raise exception 'runs cannot be kept for % days', days_kept;
    end if;
    insert into retention_classes (name, days, width)
    values (class, days_kept, greatest(1, days_kept / 15))
    on conflict (name) do nothing;
    return class;
end
$function$;
grant execute on function make_retention_class(integer) to visapi_gateway;

CREATE OR REPLACE FUNCTION make_retention_table(base text, class text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'visapi', 'pg_temp'
 SET lock_timeout TO '500ms'
AS $function$
declare
    today constant date := (now() at time zone 'utc')::date;
    parent constant text := base || '_' || class;
    -- Of the three, histories are found by their run.
    range_key constant text := case base when 'runs_done' then 'id' else 'run' end;
    days integer;
begin
    perform check_retention_table(base, class);
    perform pg_advisory_xact_lock(5647215);
    if to_regclass(parent) is not null then
        return;
    end if;
    execute format('create table %I partition of %I for values in (%L) partition by range (%I)',
        parent, base, class, range_key);
    execute format('create table %I partition of %I default', parent || '_rest', parent);
    select width into days from retention_classes c where c.name = class;
    perform make_partition(base, class, today, today + days);
end
$function$;
grant execute on function make_retention_table(text,text) to visapi_gateway;
