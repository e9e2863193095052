"""Whatever a loop looks for each second is found among a million rows that are not due, or due for others.

As in `test_a_million_rows.py`, each statement runs under `EXPLAIN (ANALYZE, BUFFERS)` as its role.
"""

import pytest

from kit.big_tables import ID, ROWS, RUNS, Big, bounded
from visapi_common.adapters.queries import load_queries

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

DUE = load_queries("visapi_orchestrator.timing.store", "due.sql")
SCHEDULED = load_queries("visapi_orchestrator.timing.store", "schedules.sql")
IN = load_queries("visapi_orchestrator.events.store", "events.sql")
OPEN = load_queries("visapi_orchestrator.tasks.store", "tasks.sql")
ASIDE = load_queries("visapi_orchestrator.dead_letters", "queries.sql")

PER_ROW = 25
"""Pages that changing one row may touch: its own, and those of its entries in indexes."""

TIMERS = f"""
insert into timers (run, id, fire_at, due_at)
select gen_random_uuid(), '/do/0/nap', at, at
from generate_series(1, {ROWS}) as n, lateral (select now() + (n - 20000) * interval '1 second' as at) as t
"""
# Of the due ones 20,000 are paused, 20,000 were set aside, and 20,000 are to be fired.
SCHEDULES = f"""
insert into schedules (id, tenant, namespace, name, version, program, spec, paused, quarantined_at, next_at)
select gen_random_uuid(), 'default', 'test', 's' || n, '1.0.0', '\\x00', '{{"every_ms":1000}}', n % 3 = 0 and n <= 60000,
    case when n % 3 = 1 and n <= 60000 then now() end, now() + (n - 60000) * interval '1 second'
from generate_series(1, {ROWS}) as n
"""
FIRES = f"""
insert into schedule_fires (schedule, fire_at, tenant, outcome, decided_at)
select gen_random_uuid(), at, 'default', 'skipped', at
from generate_series(1, {ROWS}) as n, lateral (select now() - n * interval '180 days' / {ROWS} as at) as t
"""
EVENTS = f"""
insert into events_in (tenant, source, id, type, body, received_at, matched_at, publish, published_at)
select 'default', '/s', n::text, 't', '{{}}', at, case when n % 100 <> 1 then at end, n % 2 = 0,
    case when n % 100 <> 2 then at end
from generate_series(1, {ROWS}) as n, lateral (select now() - n * interval '6 days' / {ROWS} as at) as t
"""
INBOX = f"""
insert into inbox (run, key, tenant, kind, body, sweep_at)
select {ID}, 'k', 'default', 'event', '{{}}', now() + (n - 20000) * interval '1 second'
from generate_series(1, {ROWS}) as n
"""
# Half are held back, all of one slow tenant and overdue by their time; a tenth are at work; the rest were sent.
TASKS = f"""
insert into tasks (run, path, attempt, tenant, function, effect_key, token, message, partition, state, sent_at,
    heartbeat_at, sweep_at)
select {ID}, '/do/0/a', 1, case when n % 2 = 0 then 'slow' else 't' || n % 20 end,
    case when n % 2 = 0 then 'notify.webhook' else 'acme.f' || n % 5 end, 'e', 't', '{{}}', 0,
    case when n % 10 = 1 then 'started' when n % 1000 = 3 then 'uncertain' else 'queued' end,
    case when n % 2 = 1 or n % 100 = 0 then now() - interval '1 minute' end,
    case when n % 10 = 1 then now() end,
    case when n % 2 = 0 or n % 10 = 1 or n % 10 = 3 then now() - interval '1 minute'
        else now() + interval '1 hour' end
from generate_series(1, {ROWS}) as n
"""
LETTERS = f"""
insert into dead_letters (id, tenant, service, reason, detail, kind, item, digest, resolution, resolved_at, created_at)
select gen_random_uuid(), 'default', 'orchestrator', 'bad-event', 'd', 'event', array[n::text],
    decode(md5(n::text), 'hex'), case when n % 10 = 0 then 'replay' end, case when n % 10 = 0 then now() end,
    now() - n * interval '60 days' / {ROWS}
from generate_series(1, {ROWS}) as n
"""


async def test_due_timers_are_claimed_and_the_next_one_found(big: Big):
    await big.fill(TIMERS, "timers")
    await bounded(big, DUE["claim_timers"], 1000, most=1000 * PER_ROW)
    await bounded(big, DUE["first_timer"], most=100)
    await bounded(big, DUE["next_timer"], most=100)


async def test_due_schedules_are_claimed_past_those_that_were_set_aside(big: Big):
    await big.fill(SCHEDULES, "schedules")
    await bounded(big, SCHEDULED["claim_schedules"], 50, most=1000)
    await bounded(big, SCHEDULED["next_schedule"], most=100)


async def test_fires_are_forgotten_by_their_age(big: Big):
    await big.fill(FIRES, "schedule_fires")
    await bounded(big, SCHEDULED["sweep_fires"], 1000, most=1000 * PER_ROW)


async def test_events_that_wait_to_be_matched_or_published_are_found_in_their_order(big: Big):
    await big.fill(EVENTS, "events_in")
    await bounded(big, IN["claim_unmatched"], 256, 1024 * 1024, [])
    await bounded(big, IN["unpublished"], 256, 0)


async def test_overdue_inbox_rows_are_claimed(big: Big):
    await big.fill(INBOX, "inbox")
    await bounded(big, DUE["claim_inbox"], 1000, ["cancel"], 5, most=1000 * PER_ROW)


@pytest.mark.parametrize("overdue_s", [0.0, 30.0])
async def test_overdue_runs_are_claimed_tenant_by_tenant(big: Big, overdue_s: float):
    await big.fill(RUNS, "runs")
    await bounded(big, DUE["claim_runs"], 100, overdue_s, most=100 * 2 * PER_ROW)


async def test_overdue_tasks_are_found_past_those_that_are_held_back(big: Big):
    await big.fill(TASKS, "tasks")
    # A third of the rows match, and more with every second that passes: what counts is that an index finds them.
    await bounded(big, OPEN["overdue_functions"], most=100_000)
    await bounded(big, OPEN["claim_tasks"], 100, "t3", "acme.f3", None, most=100 * PER_ROW)
    await bounded(big, OPEN["claim_tasks"], 100, "nobody", "acme.f3", None, most=100)
    await bounded(big, OPEN["postpone_tasks"], 100, "t3", "acme.f3", most=100 * PER_ROW)


async def test_held_tasks_are_counted_to_a_bound_and_those_under_way_in_an_index(big: Big):
    await big.fill(TASKS, "tasks")
    await bounded(big, OPEN["held_functions"], most=200)
    await bounded(big, OPEN["held_tenants"], "notify.webhook", 1000)
    # 10,000 are under way, and nothing else is read.
    await bounded(big, OPEN["sent_tenants"], "notify.webhook", most=11_000)
    await bounded(
        big, OPEN["release_tasks"], "notify.webhook", ["slow", "t1"], [100, 100], most=200 * PER_ROW
    )


async def test_letters_to_replay_are_found_and_old_ones_forgotten(big: Big):
    await big.fill(LETTERS, "dead_letters")
    await bounded(big, ASIDE["to_replay"], 100, most=500)
    await bounded(big, ASIDE["sweep_letters"], 1000, most=1000 * PER_ROW)
