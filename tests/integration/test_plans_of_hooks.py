"""Requests to hooks, lists and sweeps touch few pages of large tables, asked of a real PostgreSQL; see
`test_a_million_rows.py`.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from kit.big_hooks import DELIVERIES, HOOKS
from kit.big_tables import Big, bounded, explained, pages, whole_tables
from kit.servers import PostgresServer
from visapi_common.adapters.queries import load_queries
from visapi_gateway.gateway import SESSION as GATEWAY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

MANAGING = load_queries("visapi_gateway.hooks.managing", "queries.sql")
RECEIVING = load_queries("visapi_gateway.hooks.receiving", "queries.sql")
READING = load_queries("visapi_gateway.hooks.deliveries", "queries.sql")
QUOTA = load_queries("visapi_gateway.kernel", "quotas.sql")
SWEEPS = load_queries("visapi_orchestrator.upkeep.store", "hooks.sql")
HOOK = UUID("01900000-0000-7000-8000-000000000001")
FRESH = [UUID(int=number) for number in range(1, 101)]
ASKED: dict[str, tuple[str, tuple[object, ...]]] = {
    "lookups": (RECEIVING["hooks_at"], ([f"{number:040x}" for number in range(1, 101)],)),
    "a page of hooks": (MANAGING["list_hooks"], ("many", None, None, 51)),
    "a hook by name": (MANAGING["list_hooks"], ("many", "h77", None, 51)),
    "a quota": (QUOTA["count_hooks"], ("many", 1000)),
    "new deliveries": (
        RECEIVING["put_deliveries"],
        ("many", [HOOK] * 100, [f"n{n}" for n in range(100)], FRESH, ["t"] * 100, [None] * 100, [1] * 100),
    ),
    "repeated deliveries": (
        RECEIVING["put_deliveries"],
        ("many", [HOOK] * 100, [f"d{n}1" for n in range(100)], FRESH, ["t"] * 100, [None] * 100, [1] * 100),
    ),
    "the oldest events": (RECEIVING["drop_oldest_bodies"], ("many", 500, 100)),
    "the oldest deliveries": (RECEIVING["drop_oldest_deliveries"], ("many", 50)),
    "a page of deliveries": (READING["list_deliveries"], ("many", HOOK, None, 51)),
    "a delivery by its id": (READING["deliveries_named"], ("many", HOOK, "d199999")),
    "a delivery": (READING["one_delivery"], ("many", HOOK, HOOK)),
    "deliveries of a hook with few": (READING["list_deliveries"], ("many", UUID(int=7), None, 51)),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def big(postgres_server: PostgresServer) -> AsyncIterator[Big]:
    database = postgres_server.create()
    tables = Big(database)
    await tables.fill(HOOKS, "hook_secrets", "hooks")
    await tables.fill(DELIVERIES, "hook_deliveries", "hook_bodies")
    yield tables
    postgres_server.drop(database)


@pytest.mark.parametrize("name", ASKED)
async def test_the_gateway_reads_few_pages(big: Big, name: str):
    query, arguments = ASKED[name]
    before = "select set_config('visapi.tenants', 'many', true)"
    plan = await explained(big.database.gateway, GATEWAY, query, *arguments, before=before)
    shown = msgspec.json.format(msgspec.json.encode(plan)).decode()
    # A new row touches its page and those of four indexes.
    assert pages(plan) < (4000 if "new" in name or "oldest" in name else 1000), shown
    assert not whole_tables(plan), shown


async def test_the_sweep_reads_few_pages(big: Big):
    await bounded(big, SWEEPS["hold_usage"], 30, 100)
    await bounded(big, SWEEPS["sweep_deliveries"], 30, 100, ["many", "quiet"], most=3000)
    await bounded(big, SWEEPS["drop_removed"])
