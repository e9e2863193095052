-- Keys that were disabled: gateways hold them, and they count as keys of their tenant.
create index concurrently api_keys_disabled on api_keys (tenant) where may_return;
