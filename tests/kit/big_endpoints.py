"""Endpoints, news and messages to them, in tables of `kit.big_tables`."""

from kit.big_tables import ROWS

ENDPOINT = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
# Every 500th of the endpoints has messages that wait, one of them nearly all.
ENDPOINTS = f"""
insert into tenants (id) values ('many'), ('quiet');
insert into endpoints (tenant, id, name, url, types, wants, created_by, updated_by, deleted_at, enabled)
select case when n % 100 = 0 then 'quiet' else 'many' end, {ENDPOINT}, 'e' || n, 'https://example.com/', '{{*}}', 7,
    'test', 'test', case when n % 5000 = 7 then now() - interval '1 hour' end, n % 10 <> 3
from generate_series(1, {ROWS // 10}) as n;
insert into endpoint_secrets (tenant, endpoint, id, sealed, sealed_with, created_by)
select tenant, id, id, '\\x00', 'k', 'test' from endpoints
"""
MESSAGES = f"""
insert into endpoint_news (tenant, type, about, at, data, created_at, waiting)
select case when n % 1000 = 0 then 'quiet' else 'many' end, 'run.completed', 'a/b', now(), '{{}}',
    now() - n * interval '14 days' / {ROWS}, n % 5 = 0
from generate_series(1, {ROWS}) as n;
insert into endpoint_messages (tenant, endpoint, news, type, size, created_at, state, next_at)
select 'many', case when n % 10 = 0 then {ENDPOINT.replace("n)", "n % 100 + 11)")}
    else '01900000-0000-7000-8000-000000000001' end, n, 'run.completed', 10, now() - n * interval '14 days' / {ROWS},
    case when n % 20 = 0 or n % 23 = 0 then 'pending' when n % 7 = 0 then 'failed' else 'delivered' end,
    now() + (n % 3 - 1) * interval '1 hour'
from generate_series(1, {ROWS}) as n;
insert into endpoint_attempts (message, number, tenant, at, took_ms)
select id, 1, tenant, created_at, 5 from endpoint_messages
"""
