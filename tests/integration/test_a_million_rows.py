"""Lists, sweeps and counts touch few pages of a table of a million rows, asked of a real PostgreSQL.

Each statement runs under `EXPLAIN (ANALYZE, BUFFERS)` as the role, and with the settings, that it runs with in
service. A page is 8 KiB; a table here has 10,000 to 40,000 of them, so a statement that reads a table whole
fails by far.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from kit.servers import Database, PostgresServer
from visapi_common.adapters.queries import load_queries
from visapi_gateway.adapters import run_filters, run_store
from visapi_gateway.core.run_filters import RunFilter
from visapi_gateway.gateway import SESSION as GATEWAY
from visapi_orchestrator.adapters.ledger import SESSION as ORCHESTRATOR

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

ROWS = 1_000_000
ROOT = UUID("01900000-0000-7000-8000-00000000beef")
PARENT = UUID("01900000-0000-7000-8000-00000000feed")
NONE = UUID(int=0)
PAGES_MAX = 1500
"""Far below any of the tables; most statements touch some dozens."""

# Ids as `first_id_of`, one in 600 ms: a week of runs, in as many partitions.
_ID = (
    "(lpad(to_hex((extract(epoch from date_trunc('day', now())) * 1000)::bigint + n * 600), 12, '0')"
    " || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
)
_COMMON = (
    "case when n % 10 = 0 then 'other' else 'default' end, 'sales',"
    " case when n % 100000 = 7 then 'rare' else 'w' || n % 50 end,"
    " case when n % 7 = 0 then '2.0.0' else '1.0.0' end, '\\x00'::bytea"
)
RUNS = f"""
insert into runs (id, tenant, namespace, name, version, program, status, partition, input, started_by, root, depth,
    parent)
select {_ID}, {_COMMON},
    case when n % 200 = 1 then 'pending' when n % 10007 = 1 then 'suspended' when n % 3 = 0 then 'waiting'
        else 'running' end,
    0, '{{"inline":null}}', 'test', case when n <= 10000 then '{ROOT}'::uuid end, 0,
    case when n % 50000 = 3 then '{PARENT}'::uuid end
from generate_series(1, {ROWS}) as n
"""
DONE = f"""
insert into runs_done (id, tenant, namespace, name, version, program, status, revision, seq, priority, retention,
    input, started_by, created_at, ended_at, parent)
select {_ID}, {_COMMON},
    case when n % 5000 = 1 then 'faulted' when n % 5001 = 1 then 'cancelled' else 'completed' end,
    1, 1, 5, 'standard', '{{"inline":null}}', 'test', now(), now(),
    case when n % 50000 = 3 then '{PARENT}'::uuid end
from generate_series(1, {ROWS}) as n
"""
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


class Big:
    """A database, and tables of it that are filled when first asked for."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._full: set[str] = set()

    async def fill(self, statement: str, *tables: str) -> None:
        if statement in self._full:
            return
        connection = await asyncpg.connect(self.database.superuser)
        try:
            await connection.execute("set search_path to visapi; set synchronous_commit to off")
            await connection.execute(statement, timeout=240)
            for table in tables:
                await connection.execute(f"vacuum analyze {table}", timeout=60)
        finally:
            await connection.close()
        self._full.add(statement)


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    made = postgres_server.create()
    yield made
    postgres_server.drop(made)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def big(database: Database) -> AsyncIterator[Big]:
    yield Big(database)


def pages(plan: dict[str, Any]) -> int:
    """Pages that the statement touched, whether they were in memory or not."""
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def explained(
    url: str, session: dict[str, str], query: str, *arguments: object, before: str = ""
) -> dict[str, Any]:
    """The plan of a statement as it was carried out; nothing of it stays."""
    connection = await asyncpg.connect(
        url, server_settings={**session, "search_path": "visapi", "jit": "off"}
    )
    try:
        transaction = connection.transaction()
        await transaction.start()
        if before:
            await connection.execute(before)
        found = await connection.fetchval(
            "explain (analyze, buffers, format json) " + query, *arguments, timeout=60
        )
        await transaction.rollback()
    finally:
        await connection.close()
    return msgspec.json.decode(found)[0]["Plan"]


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
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_page_of_runs_is_read_from_an_index(big: Big, name: str):
    await big.fill(RUNS, "runs")
    await big.fill(DONE, "runs_done")
    narrowed = run_filters.narrow(run_filters.Narrowing("default", 51), LISTS[name], [])
    query = run_filters.complete(run_store.LIST_RUNS, narrowed, LISTS[name])
    before = f"select set_config('visapi.tenants', 'default', true); {run_filters.PLAN_ANEW}"
    plan = await explained(big.database.gateway, GATEWAY, query, *narrowed.arguments, before=before)
    assert pages(plan) < PAGES_MAX, msgspec.json.format(msgspec.json.encode(plan)).decode()


SWEEPS = load_queries("visapi_orchestrator.adapters", "sql/upkeep.sql")
FLOWS = load_queries("visapi_orchestrator.adapters", "sql/flow.sql")
FAMILY = load_queries("visapi_orchestrator.adapters", "sql/families.sql")
IN = load_queries("visapi_orchestrator.adapters", "sql/events.sql")
SENT = load_queries("visapi_notifier.adapters", "sql/deliveries.sql")


async def bounded(big: Big, query: str, *arguments: object, most: int = PAGES_MAX, url: str = "") -> None:
    plan = await explained(url or big.database.orchestrator, ORCHESTRATOR, query, *arguments)
    assert pages(plan) < most, msgspec.json.format(msgspec.json.encode(plan)).decode()


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
    await bounded(big, FLOWS["tidy_turns"], 1000)


async def test_old_idempotency_keys_are_found_by_their_age(big: Big):
    await big.fill(KEYS, "idempotency")
    await bounded(big, SWEEPS["sweep_idempotency"], 100)


async def test_old_events_are_found_by_their_age(big: Big):
    await big.fill(EVENTS, "events_in")
    await bounded(big, IN["sweep_events"], 100)


async def test_old_dead_letters_are_found_by_their_age(big: Big):
    await big.fill(LETTERS, "dead_letters")
    await bounded(big, SWEEPS["sweep_letters"], 100)


async def test_families_are_retired_in_steps_and_the_cancelled_ones_found(big: Big):
    await big.fill(FAMILIES, "families")
    await big.fill(RUNS, "runs")
    await bounded(big, FAMILY["retire"], NONE, 100)
    await bounded(big, FAMILY["settle"])
    await bounded(big, FAMILY["obey"], 1000, b"{}")


async def test_the_room_of_a_family_costs_no_more_than_its_bound(big: Big):
    await big.fill(RUNS, "runs")
    await bounded(big, FAMILY["rooms"], [ROOT, None], ["default", "default"], 10_000)


async def test_the_open_runs_of_a_tenant_are_counted_to_the_bound(big: Big):
    await big.fill(RUNS, "runs")
    await bounded(big, FAMILY["tally"], 10_000)
