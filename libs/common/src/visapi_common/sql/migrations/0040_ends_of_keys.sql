-- API keys by when they ended: gateways hold those that have not, or not long ago, and count them by tenant.

create index api_keys_by_end on api_keys (coalesce(least(disabled_at, expires_at), 'infinity'));
create index api_keys_of_tenant_by_end on api_keys (tenant, coalesce(least(disabled_at, expires_at), 'infinity'));
create index api_keys_of_tenant on api_keys (tenant, id);
