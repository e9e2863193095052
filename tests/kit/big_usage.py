"""What tenants used, and what gateways have leased of rates, in tables of `kit.big_tables`."""

from kit.big_tables import ROWS

# Three tenants: 400 days of many workflows, most of them of one tenant, and rows that are not added up yet.
USAGE = f"""
insert into usage_days (tenant, day, namespace, name, accepted, retried, completed, faulted, cancelled, tasks, deliveries,
    artifact_bytes)
select case when n % 10 = 0 then 'other' else 'default' end, current_date - (n % 400), 'sales', 'w' || n / 400,
    1, 0, 1, 0, 0, 3, 1, 0
from generate_series(1, {ROWS}) as n order by n % 400 desc
"""
DELTAS = f"""
insert into usage_deltas (tenant, namespace, name, accepted)
select 'busy' || n % 50, 'sales', 'w' || n % 20, 1 from generate_series(1, {ROWS}) as n
"""
LEASES = f"""
insert into rate_leases (tenant, subject, arrival, leased_at, step_s, burst, granted)
select 't' || n % 1000, 'key:' || n, now(), now(), 0.005, 1000, 1 from generate_series(1, {ROWS}) as n
"""
