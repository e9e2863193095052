"""What finds, claims, lists and sweeps webhooks to endpoints touches few pages of large tables, asked of a real
PostgreSQL; see `test_a_million_rows.py`.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from kit.big_endpoints import ENDPOINTS, MESSAGES
from kit.big_tables import Big, bounded, explained, pages, whole_tables
from kit.servers import PostgresServer
from visapi_common.adapters.queries import load_queries
from visapi_gateway.gateway import SESSION as GATEWAY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

MANAGING = load_queries("visapi_gateway.endpoints.managing", "queries.sql")
READING = load_queries("visapi_gateway.endpoints.messages", "queries.sql")
QUOTA = load_queries("visapi_gateway.kernel", "quotas.sql")
FAN_OUT = load_queries("visapi_orchestrator.endpoints.store", "fan_out.sql")
HISTORY = load_queries("visapi_orchestrator.endpoints.store", "history.sql")
SWEEPS = load_queries("visapi_orchestrator.upkeep.store", "endpoints.sql")
SENDING = load_queries("visapi_notifier.endpoints", "queries.sql")
LARGE = UUID("01900000-0000-7000-8000-000000000001")
FEW = UUID("01900000-0000-7000-8000-000000000015")
ASKED: dict[str, tuple[str, tuple[object, ...]]] = {
    "a page of endpoints": (MANAGING["list_endpoints"], ("many", None, None, 51)),
    "an endpoint by name": (MANAGING["list_endpoints"], ("many", "e77", None, 51)),
    "a quota": (QUOTA["count_endpoints"], ("many", 200)),
    "a page of messages": (READING["list_messages"], ("many", LARGE, None, 51)),
    "a page of what failed": (READING["list_messages_of_state"], ("many", LARGE, None, 51, "failed")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def big(postgres_server: PostgresServer) -> AsyncIterator[Big]:
    database = postgres_server.create()
    tables = Big(database)
    await tables.fill(ENDPOINTS, "endpoints", "endpoint_secrets")
    await tables.fill(MESSAGES, "endpoint_news", "endpoint_messages", "endpoint_attempts")
    yield tables
    postgres_server.drop(database)


@pytest.mark.parametrize("name", ASKED)
async def test_the_gateway_reads_few_pages(big: Big, name: str):
    query, arguments = ASKED[name]
    before = "select set_config('visapi.tenants', 'many', true)"
    plan = await explained(big.database.gateway, GATEWAY, query, *arguments, before=before)
    shown = msgspec.json.format(msgspec.json.encode(plan)).decode()
    assert pages(plan) < 1000, shown
    assert not whole_tables(plan), shown


async def test_the_orchestrator_reads_few_pages(big: Big):
    await bounded(big, FAN_OUT["tenants"], "", 100)
    await bounded(big, FAN_OUT["waiting"], "many", 100)
    await bounded(big, FAN_OUT["disable_full"], "many", LARGE, 100)
    await bounded(big, HISTORY["read_history"], 512, ["many"], ["quiet"], "1000000")
    await bounded(big, SWEEPS["sweep_attempts"], 7, 100)
    await bounded(big, SWEEPS["sweep_messages"], 7, 100, 4, most=3000)
    await bounded(big, SWEEPS["sweep_news"], 7, 100)
    await bounded(big, SWEEPS["sweep_removed"], 100)
    await bounded(big, SWEEPS["drop_removed"])


async def test_the_notifier_reads_few_pages(big: Big):
    """A hundred endpoints have messages that wait."""
    user, session = big.database.notifier, {"search_path": "visapi"}
    asked: list[tuple[str, tuple[object, ...]]] = [
        (SENDING["due_endpoints"], ("", UUID(int=0), 500, 30.0)),
        (SENDING["hold_ordered"], (["many"], [FEW])),
        (
            SENDING["claim"],
            (["many"] * 2, [LARGE, FEW], [8, 8], [False, True], 32 << 20, 30.0, "me", 4 << 20),
        ),
        (SENDING["secrets"], (["many"], [LARGE])),
        (SENDING["note_health"], (["many"], [LARGE], [False], [False], 3.0)),
    ]
    for query, arguments in asked:
        plan = await explained(user, session, query, *arguments)
        shown = msgspec.json.format(msgspec.json.encode(plan)).decode()
        assert pages(plan) < 2500, shown
        assert not whole_tables(plan), shown
