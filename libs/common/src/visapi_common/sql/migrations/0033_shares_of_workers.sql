-- Shares of workers: how many tasks of a shared function are under way for each tenant is counted often, while
-- another tenant's hang. Only functions that serve all tenants are counted, so only their rows are indexed.
create index tasks_sent on tasks (function, tenant)
where sent_at is not null and state <> 'uncertain'
    and function in (
        'http.request', 'notify.email', 'notify.slack', 'notify.webhook', 'openapi.request', 'pdf.render'
    );
