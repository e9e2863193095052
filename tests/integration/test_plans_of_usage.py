"""Usage and leases of rates are read, added up and swept without reading whole tables."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kit.big_tables import PAGES_MAX, Big, bounded, explained, pages, whole_tables
from kit.big_usage import DELTAS, LEASES, USAGE
from visapi_common.adapters.queries import load_queries
from visapi_gateway.gateway import SESSION as GATEWAY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

USED = load_queries("visapi_gateway.usage", "queries.sql")
USES = load_queries("visapi_orchestrator.upkeep.store", "usage.sql")
RATE = load_queries("visapi_gateway.rates", "queries.sql")
BEFORE = "select set_config('visapi.tenants', 'default', true)"


async def test_a_page_of_usage_is_read_from_its_tenant_and_days(big: Big):
    await big.fill(USAGE, "usage_days")
    await big.fill(DELTAS, "usage_deltas")
    today = datetime.now(UTC).date()
    week, anywhere = today - timedelta(days=7), (None, None, None)
    for name, arguments in {
        "usage_rows": ("default", None, None, None, None, *anywhere, 51),
        "usage_sums": ("default", week, today, None, None, *anywhere, 51, True),
    }.items():
        plan = await explained(big.database.gateway, GATEWAY, USED[name], *arguments, before=BEFORE)
        told = msgspec.json.format(msgspec.json.encode(plan)).decode()
        assert pages(plan) < PAGES_MAX * 4, told
        assert not whole_tables(plan), told


async def test_usage_is_added_up_in_steps_and_old_days_are_found_by_their_age(big: Big):
    await big.fill(USAGE, "usage_days")
    await big.fill(DELTAS, "usage_deltas")
    await bounded(big, USES["fold"], 1000, most=8000)
    await bounded(big, USES["sweep"], 390, 100)


async def test_a_lease_touches_the_rows_that_it_names(big: Big):
    await big.fill(LEASES, "rate_leases")
    some = range(1, 33)
    asked = (
        [f"t{n % 1000}" for n in some], [f"key:{n}" for n in some], [5] * 32, [0.005] * 32, [1000] * 32,
    )  # fmt: skip
    plan = await explained(big.database.gateway, GATEWAY, RATE["lease_rates"], *asked)
    told = msgspec.json.format(msgspec.json.encode(plan)).decode()
    assert pages(plan) < PAGES_MAX, told
    assert not whole_tables(plan), told
