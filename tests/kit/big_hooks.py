"""Hooks and what they remember, in tables of `kit.big_tables`."""

from kit.big_tables import ID, ROWS

HOOK = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
HOOKS = f"""
insert into tenants (id) values ('many'), ('quiet');
insert into hooks (tenant, id, name, address, provider, settings, created_by, updated_by, deleted_at)
select case when n % 1000 = 0 then 'quiet' else 'many' end, {HOOK}, 'h' || n, lpad(to_hex(n), 40, '0'), 'github', '{{}}',
    'test', 'test', case when n % 5000 = 7 then now() - interval '1 hour' end
from generate_series(1, {ROWS // 10}) as n;
insert into hook_secrets (tenant, hook, id, purpose, sealed, sealed_with, created_by)
select tenant, id, id, 'signature', '\\x00', 'k', 'test' from hooks;
insert into hook_usage (tenant, deliveries, bytes) values ('many', 1, 1), ('quiet', 1, 1)
"""
# One hook of the tenant has nearly all deliveries; every tenth is of another tenant.
DELIVERIES = f"""
insert into hook_deliveries (tenant, hook, delivery, id, type, size, received_at)
select case when n % 10 = 0 then 'quiet' else 'many' end, '01900000-0000-7000-8000-000000000001', 'd' || n, {ID}, 't', 100,
    now() - n * interval '60 days' / {ROWS}
from generate_series(1, {ROWS}) as n;
insert into hook_bodies (tenant, id, event, size)
select tenant, id, '{{"id":"1"}}', 10 from hook_deliveries where delivery < 'd5'
"""
