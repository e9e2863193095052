"""Lists, sweeps and counts touch few pages of a table of a million rows, asked of a real PostgreSQL.

Each statement runs under `EXPLAIN (ANALYZE, BUFFERS)` as the role, and with the settings, that it runs with in
service. A page is 8 KiB; a table of a million rows has 10,000 to 40,000 of them, so a statement that reads a table
whole fails by far. `make plans` has a million rows in each table, `make test` 200,000.
"""

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from kit.big_tables import (
    DONE,
    HISTORY,
    ID,
    NONE,
    PAGES_MAX,
    PARENT,
    ROOT,
    ROWS,
    RUNS,
    SCHEDULE,
    Big,
    bounded,
    explained,
    pages,
    whole_tables,
)
from visapi_common.adapters.queries import load_queries
from visapi_gateway.gateway import SESSION as GATEWAY
from visapi_gateway.runs.changes.store import CHANGES, TRANSACTIONS
from visapi_gateway.runs.reading import conditions as run_filters
from visapi_gateway.runs.reading import store as run_store
from visapi_gateway.runs.reading.rules.filters import AttributeFilter, RunFilter

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

DELIVERIES = f"""
insert into deliveries (effect_key, tenant, run, path, function, state, created_at, updated_at)
select md5(n::text), 'default', gen_random_uuid(), '/do/0/a', 'notify.email',
    case when n % 1000 = 0 then 'uncertain' else 'sent' end, at, at
from generate_series(1, {ROWS}) as n, lateral (select now() - n * interval '60 days' / {ROWS} as at) as t
"""
FLOW = f"""
with slots as (
    insert into flow_slots (run, tenant, scope, key, lim)
    select gen_random_uuid(), 'default', 'sales/w', '"' || n % 5000 || '"', 100
    from generate_series(1, {ROWS}) as n
)
insert into flow_waiting (run, tenant, scope, key, lim, on_limit, priority)
select gen_random_uuid(), 'default', 'sales/w', '"' || n % 5000 || '"', 100, 'queue', n % 10
from generate_series(1, {ROWS}) as n
"""
KEYS = f"""
insert into idempotency (tenant, key, run, body_hash, created_at)
select 'default', n::text, gen_random_uuid(), '\\x00', now() - n * interval '14 days' / {ROWS}
from generate_series(1, {ROWS}) as n
"""
EVENTS = f"""
insert into events_in (tenant, source, id, type, body, received_at, matched_at)
select 'default', '/s', n::text, 't', '{{}}', at, at
from generate_series(1, {ROWS}) as n, lateral (select now() - n * interval '14 days' / {ROWS} as at) as t
"""
FAMILIES = f"""
insert into families (root, tenant, touched_at, cancelled_at, settled_at)
select gen_random_uuid(), 'default', now() - interval '1 hour',
    case when n % 2 = 0 then now() - interval '1 hour' end, case when n % 2 = 0 then now() end
from generate_series(1, {ROWS}) as n
"""
LETTERS = f"""
insert into dead_letters (id, tenant, service, reason, detail, run, created_at)
select gen_random_uuid(), 'default', 'orchestrator', 'bad-event', 'd', case when n % 2 = 0 then gen_random_uuid() end,
    now() - n * interval '180 days' / {ROWS}
from generate_series(1, {ROWS}) as n
"""


# A tenant with nearly all letters, of which a hundred are about runs; one with few, and letters of three that do
# not exist.
LETTERS_OF_MANY = f"""
truncate dead_letters;
insert into tenants (id) values ('many'), ('quiet'), ('zebra');
insert into dead_letters (id, tenant, service, reason, detail, kind, resolved_at)
select {ID}, case n % 20000 when 1 then '' when 2 then '_' when 3 then 'never' when 4 then 'quiet' else 'many' end,
    'orchestrator', 'bad-event', 'd',
    case when n % 10000 = 8 then 'run' when n % 2 = 0 then 'event' end, case when n % 3 = 0 then now() end
from generate_series(1, {ROWS}) as n
"""
# Nearly all of them revoked or expired long ago.
OLD_KEYS = f"""
insert into api_keys (id, tenant, kind, name, hash, scopes, created_by, expires_at, disabled_at)
select md5(n::text), 'default', 'live', 'old', '\\x00', array['*'], 'test',
    case when n % 2 = 0 then now() - n * interval '180 days' / {ROWS} end,
    case when n % 2 = 1 and n % 50000 <> 1 then now() - n * interval '180 days' / {ROWS} end
from generate_series(1, {ROWS}) as n
"""


SCHEDULES = f"""
insert into schedules (id, tenant, namespace, name, version, program, spec)
values ('{SCHEDULE}', 'default', 'sales', 'rare', '1.0.0', '\\x00', '{{}}')
"""
# Of each run one: a value of few, one of half of them, or a number.
ATTRIBUTES = f"""
insert into run_attributes (retention, run, tenant, name, value, folded, number)
select 'standard', {ID}, case when n % 10 = 0 then 'other' else 'default' end, name, value, lower(value), number
from generate_series(1, {ROWS}) as n, lateral (
    select case n % 4 when 0 then 'customer' when 1 then 'amount' else 'kind' end as name,
        case n % 4 when 0 then 'C' || n % 100000 when 1 then (n % 5000)::text else 'common' end as value,
        case when n % 4 = 1 then n % 5000 end as number
) as a
"""
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

LISTS = {
    "all": RunFilter(),
    "workflow": RunFilter(namespace="sales", name="w7"),
    "workflow with few runs": RunFilter(namespace="sales", name="rare"),
    "workflow without runs": RunFilter(namespace="sales", name="none"),
    "workflow and state": RunFilter(namespace="sales", name="w7", statuses=("completed",)),
    "workflow and version": RunFilter(namespace="sales", name="w7", version="2.0.0"),
    "namespace": RunFilter(namespace="sales"),
    "namespace without runs": RunFilter(namespace="none"),
    "pending": RunFilter(statuses=("pending",)),
    "suspended": RunFilter(statuses=("suspended",)),
    "running": RunFilter(statuses=("running",)),
    "waiting": RunFilter(statuses=("waiting",)),
    "completed": RunFilter(statuses=("completed",)),
    "faulted": RunFilter(statuses=("faulted",)),
    "cancelled": RunFilter(statuses=("cancelled",)),
    "open": RunFilter(statuses=("pending", "running", "waiting", "suspended")),
    "faulted or cancelled": RunFilter(statuses=("faulted", "cancelled")),
    "parent": RunFilter(parent=PARENT),
    "top": RunFilter(top=True),
    "schedule": RunFilter(schedule=("sales", "rare")),
    "schedule of nobody": RunFilter(schedule=("sales", "none")),
    "since": RunFilter(created_after=DAY + timedelta(days=3)),
    "before": RunFilter(created_before=DAY + timedelta(days=3)),
    "before any": RunFilter(created_before=DAY - timedelta(days=3)),
    "a minute": RunFilter(
        created_after=DAY + timedelta(days=3), created_before=DAY + timedelta(days=3, minutes=1)
    ),
    "attribute of few": RunFilter(attributes=(AttributeFilter("customer", ":", "C8"),)),
    "attribute of half": RunFilter(attributes=(AttributeFilter("kind", ":", "common"),)),
    "attribute of none": RunFilter(attributes=(AttributeFilter("kind", ":", "none"),)),
    "number above": RunFilter(attributes=(AttributeFilter("amount", ">", 4990.0),)),
    "number of nearly all": RunFilter(attributes=(AttributeFilter("amount", ">=", 5.0),)),
    "number below": RunFilter(attributes=(AttributeFilter("amount", "<", 5.0),)),
    "two attributes": RunFilter(
        attributes=(AttributeFilter("kind", ":", "common"), AttributeFilter("customer", ":", "C8"))
    ),
    "text": RunFilter(text="c4000"),
    "text of half": RunFilter(text="Common"),
    "text of none": RunFilter(text="nothing of the kind"),
    "text that begins an id": RunFilter(text=str(PARENT)[:8]),
}


MOST = {"number above": 8000, "number below": 4000, "text of half": 60_000}
"""A range of numbers or of texts is in no order of runs: its matches are all read from the index before the newest
are known. 400 and 200 runs match the numbers, 450,000 the text.
"""


@pytest.mark.parametrize("name", LISTS)
async def test_a_page_of_runs_is_read_from_an_index(big: Big, name: str):
    await big.fill(RUNS, "runs")
    await big.fill(DONE, "runs_done")
    await big.fill(SCHEDULES, "schedules")
    await big.fill(ATTRIBUTES, "run_attributes")
    conditions = run_filters.add_filter(run_filters.RunConditions("default", 51), LISTS[name], [])
    query = run_filters.complete(run_store.LIST_RUNS, conditions, LISTS[name])
    before = f"select set_config('visapi.tenants', 'default', true); {run_filters.PLAN_ANEW}"
    plan = await explained(big.database.gateway, GATEWAY, query, *conditions.arguments, before=before)
    told = msgspec.json.format(msgspec.json.encode(plan)).decode()
    assert pages(plan) < MOST.get(name, PAGES_MAX), told
    assert not whole_tables(plan), told


SWEEPS = load_queries("visapi_orchestrator.upkeep.store", "upkeep.sql")
ASIDE = load_queries("visapi_orchestrator.dead_letters", "queries.sql")
FLOWS = load_queries("visapi_orchestrator.transitions.store", "flow.sql")
FAMILY = load_queries("visapi_orchestrator.transitions.store", "families.sql")
IN = load_queries("visapi_orchestrator.events.store", "events.sql")
DEAD = load_queries("visapi_gateway.dead_letters", "queries.sql")
KEY = load_queries("visapi_gateway.keys", "queries.sql")
QUOTA = load_queries("visapi_gateway.kernel", "quotas.sql")
SENT = load_queries("visapi_notifier.delivery", "queries.sql")


async def test_old_deliveries_are_found_by_their_age(big: Big):
    """Deleting a row touches its page and those of its entries, so the bound is per row."""
    await big.fill(DELIVERIES, "deliveries")
    for keep in (timedelta(days=30), timedelta(days=90)):
        plan = await explained(big.database.notifier, {}, SENT["forget"].rstrip().rstrip(";"), keep, 1000)
        assert pages(plan) < 12_000, msgspec.json.format(msgspec.json.encode(plan)).decode()


async def test_deliveries_shrink_as_fast_as_they_are_told_to(big: Big):
    await big.fill(DELIVERIES, "deliveries")
    connection = await asyncpg.connect(big.database.notifier, server_settings={"search_path": "visapi"})
    try:
        transaction = connection.transaction()
        await transaction.start()
        forgotten = 0
        for _ in range(10):
            status = await connection.execute(SENT["forget"].rstrip().rstrip(";"), timedelta(days=30), 5000)
            forgotten += int(status.rpartition(" ")[2])
        await transaction.rollback()
    finally:
        await connection.close()
    assert forgotten == 50_000, "a day's worth of the old rate, twice, in ten statements"


@pytest.mark.parametrize("name", ["tidy_slots", "tidy_waiting"])
async def test_flow_control_is_looked_through_in_steps(big: Big, name: str):
    await big.fill(FLOW, "flow_slots", "flow_waiting")
    await big.fill(RUNS, "runs")
    await bounded(big, FLOWS[name], NONE, 100)


async def test_keys_under_which_somebody_waits_are_found_one_by_one(big: Big):
    await big.fill(FLOW, "flow_slots", "flow_waiting")
    await bounded(big, FLOWS["keys_with_waiting"], "", "", "", 10)


async def test_turns_that_count_no_more_are_found_by_their_time(big: Big):
    await bounded(big, FLOWS["tidy_reservations"], 1000)


async def test_old_idempotency_keys_are_found_by_their_age(big: Big):
    await big.fill(KEYS, "idempotency")
    await bounded(big, SWEEPS["sweep_idempotency"], 100)


async def test_old_events_are_found_by_their_age(big: Big):
    await big.fill(EVENTS, "events_in")
    await bounded(big, IN["sweep_events"], 100)


async def test_old_dead_letters_are_found_by_their_age(big: Big):
    await big.fill(LETTERS, "dead_letters")
    await bounded(big, ASIDE["sweep_letters"], 100)


@pytest.mark.parametrize("wanted", [(None, None), (False, None), (None, "task"), (True, None)])
@pytest.mark.parametrize("own", ["quiet", "many"])
async def test_an_admins_dead_letters_are_found_without_those_of_other_tenants(
    big: Big, own: str, wanted: tuple[bool | None, str | None]
):
    await big.fill(LETTERS_OF_MANY, "dead_letters", "tenants")
    before = f"select set_config('visapi.tenants', '{own}', true), set_config('visapi.unknown_tenants', 'on', true)"
    plan = await explained(
        big.database.gateway,
        GATEWAY,
        DEAD["list_with_unknown_tenants"],
        *(own, None, *wanted, 51, 4096, *[None] * 5),
        before=before,
    )
    told = msgspec.json.format(msgspec.json.encode(plan)).decode()
    assert pages(plan) < PAGES_MAX, told
    assert not whole_tables(plan), told


async def test_the_keys_of_a_tenant_and_those_that_gateways_hold_are_found_by_their_end(big: Big):
    await big.fill(OLD_KEYS, "api_keys")
    for query, arguments in (
        (KEY["all_keys"], ()),
        (KEY["list_keys"], ("default", None, 51)),
        (QUOTA["count_keys"], ("default", 1000)),
    ):
        plan = await explained(big.database.gateway, GATEWAY, query, *arguments)
        told = msgspec.json.format(msgspec.json.encode(plan)).decode()
        assert pages(plan) < PAGES_MAX, told
        assert not whole_tables(plan), told


async def test_keys_that_ended_long_ago_are_found_by_their_end(big: Big):
    await big.fill(OLD_KEYS, "api_keys")
    await bounded(big, SWEEPS["sweep_keys"], 90, 100)


@pytest.mark.parametrize("resolved", [None, False, True])
async def test_a_tenants_dead_letters_of_a_rare_kind_are_found_without_the_others(
    big: Big, resolved: bool | None
):
    await big.fill(LETTERS_OF_MANY, "dead_letters", "tenants")
    for query in ("list_dead_letters", "list_with_unknown_tenants"):
        before = "select set_config('visapi.tenants', 'many', true), set_config('visapi.nobodys', 'on', true)"
        plan = await explained(
            big.database.gateway,
            GATEWAY,
            DEAD[query],
            *("many", None, resolved, "run", 51, 4096, *[None] * 5),
            before=before,
        )
        told = msgspec.json.format(msgspec.json.encode(plan)).decode()
        assert pages(plan) < PAGES_MAX, told
        assert not whole_tables(plan), told


async def test_families_are_retired_in_steps_and_the_cancelled_ones_found(big: Big):
    await big.fill(FAMILIES, "families")
    await big.fill(RUNS, "runs")
    await bounded(big, FAMILY["retire"], NONE, 100)
    await bounded(big, FAMILY["settle"])
    await bounded(big, FAMILY["cancel_descendants"], 1000, b"{}")


async def test_the_room_of_a_family_costs_no_more_than_its_bound(big: Big):
    await big.fill(RUNS, "runs")
    await bounded(big, FAMILY["rooms"], [ROOT, None], ["default", "default"], 10_000)


async def test_the_open_runs_of_a_tenant_are_counted_to_the_bound(big: Big):
    await big.fill(RUNS, "runs")
    # How many pages an index-only scan looks up in the table depends on what vacuum has come to.
    await bounded(big, FAMILY["tally"], 10_000, most=20_000)


async def test_changes_of_runs_are_read_from_their_place_on(big: Big):
    """A page passes over rows of other tenants between two of its own, and looks up the runs of its own."""
    await big.fill(RUNS, "runs")
    await big.fill(HISTORY, "history")
    for tenants in (["default"], ["other"], ["default", "other"]):
        before = f"select set_config('visapi.tenants', '{','.join(tenants)}', true)"
        arguments = (tenants, "300", NONE, 0, str(300 + TRANSACTIONS), 200, 1024 * 1024)
        plan = await explained(big.database.gateway, GATEWAY, CHANGES, *arguments, before=before)
        shown = msgspec.json.format(msgspec.json.encode(plan)).decode()
        assert plan["Actual Rows"] == 200, shown
        assert pages(plan) < 3 * PAGES_MAX, shown
        assert not whole_tables(plan), shown
