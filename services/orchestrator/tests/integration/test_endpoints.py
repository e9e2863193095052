"""What endpoints want to know becomes messages, once for each, of their own tenant; what nobody wants is not kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from kit.endpoint_rows import add_news
from kit.ledger_rows import move_back, overwrite, plant
from kit.orchestration import TENANT, Stack, eventually
from kit.servers import Database
from kit.tenants import add_tenants
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.core.endpoint_types import wants_of
from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.endpoints.fan_out import FanOut
from visapi_orchestrator.endpoints.history import EndpointNews
from visapi_orchestrator.endpoints.store.fan_out import PostgresFanOut
from visapi_orchestrator.endpoints.store.history import PostgresEndpointHistory, PostgresHistoryLease
from visapi_orchestrator.upkeep.store.endpoints import PostgresEndpointRows

OTHER = "the-other"
QUICK = "do: [{s: {set: {n: 1}}}]"
FAILING = "do: [{f: {raise: {error: {type: 'https://example.com/bad', status: 500}}}}]"
EMITS = "do: [{e: {emit: {event: {with: {type: order.paid, source: /shop, data: {n: 1}}}}}}]"
ON = "schedule: {on: {one: {with: {type: order.paid}}}}\ndo: [{took: {set: {n: 1}}}]"
IDS = RandomIds()


async def endpoint(db: Any, name: str, *types: str, tenant: str = TENANT, **more: Any) -> UUID:
    ident = IDS.uuid7()
    columns = {"url": "https://example.com/", "created_by": "test", "updated_by": "test", **more}
    await plant(
        db,
        "endpoints",
        tenant=tenant,
        id=ident,
        name=name,
        types=list(types),
        wants=int(wants_of(types)),
        **columns,
    )
    return ident


async def messages(db: Any, of: UUID) -> list[dict[str, Any]]:
    rows = await db.fetch(
        "select m.*, n.about, n.data, n.tenant as of_tenant from visapi.endpoint_messages m"
        " join visapi.endpoint_news n on n.tenant = m.tenant and n.seq = m.news where endpoint = $1 order by m.seq",
        of,
    )
    return [dict(row) for row in rows]


async def types(db: Any, of: UUID, number: int) -> list[str]:
    async def there() -> list[str] | None:
        found = [row["type"] for row in await messages(db, of)]
        return found if len(found) >= number else None

    return await eventually(there)


async def test_runs_and_tasks_are_told_to_those_who_asked_and_to_nobody_else(stack: Stack):
    pool = stack.gateway.pool
    await add_tenants(pool, OTHER)
    for name, text in (("quick", QUICK), ("failing", FAILING), ("on", ON)):
        await stack.gateway.deploy(name, text)
    runs = await endpoint(pool, "runs", "run.*")
    ends = await endpoint(
        pool, "ends", "run.completed", "run.faulted", "task.faulted", workflows=["test/fail*"]
    )
    off = await endpoint(pool, "off", "*", enabled=False)
    theirs = await endpoint(pool, "theirs", "*", tenant=OTHER)
    async with stack.orchestrator():
        await stack.gateway.listen("on")
        first = await stack.gateway.start("quick")
        await stack.gateway.ended(first)
        failed = await stack.gateway.start("failing")
        await stack.gateway.ended(failed)
        assert await types(pool, runs, 4) == ["run.started", "run.completed", "run.started", "run.faulted"]
        assert await types(pool, ends, 2) == ["task.faulted", "run.faulted"]
        assert [await messages(pool, one) for one in (off, theirs)] == [[], []]
        # The run that listens for the schedule is the system's own.
        assert {str(first), str(failed)} == {
            row["data"].decode().split('"run":"')[1][:36] for row in await messages(pool, runs)
        }
        waiting = "select count(*) from visapi.endpoint_news where waiting or tenant <> $1"
        assert await pool.fetchval(waiting, TENANT) == 0


async def test_events_are_told_once_with_what_workflows_emit(stack: Stack):
    pool = stack.gateway.pool
    await stack.gateway.deploy("emits", EMITS)
    await stack.gateway.deploy("quick", QUICK)
    paid = await endpoint(pool, "paid", "event.order.*", sources=["/sh*"])
    later = await endpoint(pool, "later", "event.*")
    await overwrite(pool, "endpoints", {"id": later}, enabled=False)
    async with stack.orchestrator():
        for _ in range(3):
            await stack.gateway.ended(await stack.gateway.start("emits"))
        await stack.gateway.ended(await stack.gateway.start("quick"))
        assert await types(pool, paid, 3) == ["event.order.paid"] * 3
        await overwrite(pool, "endpoints", {"id": later}, enabled=True)
        await stack.gateway.ended(await stack.gateway.start("emits"))
        assert len(await types(pool, paid, 4)) == 4
        assert len(await types(pool, later, 1)) == 1
    async with stack.orchestrator():
        await asyncio.sleep(1)
        assert len(await messages(pool, paid)) == 4


@pytest.fixture
async def pool(postgres_db: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres_db.orchestrator, size=4, application="orchestrator")
    yield opened
    await opened.close()


@pytest.fixture
async def db(postgres_db: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres_db.superuser, size=2, application="test")
    await add_tenants(opened, OTHER)
    yield opened
    await opened.close()


def fan_out(pool: Pool, metrics: Metrics | None = None) -> FanOut:
    return FanOut(PostgresFanOut(pool, pending_max=100_000, kept=10_000), metrics or open_metrics())


async def news(db: Pool, number: int, *, tenant: str = TENANT, type_: str = "event.a") -> None:
    await add_news(db, number, tenant=tenant, type_=type_)


class Dying(PostgresEndpointHistory):
    """Dies once after it has written news, before it commits."""

    died = False

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[PostgresHistoryLease | None]:
        async with super().lease() as lease:
            yield lease
            if not self.died:
                self.died = True
                raise TransientFault("the process was killed")


async def test_news_of_a_run_is_written_once_whenever_its_writer_dies(stack: Stack):
    pool = stack.gateway.pool
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator():
        for _ in range(20):
            await stack.gateway.ended(await stack.gateway.start("quick"))
    asked = await endpoint(pool, "runs", "run.*", created_at=datetime.now(UTC) - timedelta(hours=1))
    work = EndpointNews(Dying(pool), open_metrics())
    with pytest.raises(TransientFault):
        await work.once()
    assert await pool.fetchval("select count(*) from visapi.endpoint_news") == 0
    for _ in range(2):
        await work.once()
        while await fan_out(pool).round():
            pass
        assert len(await messages(pool, asked)) == 40


async def test_a_tenant_with_much_to_know_delays_another_by_one_turn(pool: Pool, db: Pool):
    """Thirty endpoints and 5,000 events: 150,000 messages. The other's comes in the first round."""
    for number in range(30):
        await endpoint(db, f"e{number}", "*")
    theirs = await endpoint(db, "theirs", "event.*", tenant=OTHER)
    await news(db, 5_000)
    await news(db, 1, tenant=OTHER)
    work = fan_out(pool)
    assert await work.round()
    assert len(await messages(db, theirs)) == 1
    written = await db.fetchval("select count(*) from visapi.endpoint_messages where tenant = $1", TENANT)
    assert 0 < written <= 2_100


async def test_news_that_nobody_wants_is_dropped_and_other_news_stays_for_its_messages(pool: Pool, db: Pool):
    one = await endpoint(db, "one", "event.a")
    await news(db, 3, type_="event.b")
    await news(db, 2)
    metrics = open_metrics()
    assert not await fan_out(pool, metrics).round()
    assert metrics.registry.get_sample_value("visapi_endpoint_messages_total") == 2
    assert len(await messages(db, one)) == 2
    assert await db.fetchval("select count(*) from visapi.endpoint_news") == 2


async def test_an_endpoint_for_which_too_much_waits_is_disabled_and_its_tenant_hears_of_it(
    pool: Pool, db: Pool
):
    full = await endpoint(db, "full", "event.*")
    ended = await endpoint(db, "ended", "event.*")
    rows = PostgresFanOut(pool, pending_max=2_500, kept=100)
    work = FanOut(rows, open_metrics())
    for _ in range(3):
        await news(db, 1_000)
        while await work.round():
            await overwrite(db, "endpoint_messages", {"endpoint": ended}, state="delivered")
        await overwrite(db, "endpoint_messages", {"endpoint": ended}, state="delivered")
    await rows.announce()
    row = await db.fetchrow(
        "select enabled, disabled_reason, noticed_at from visapi.endpoints where id = $1", full
    )
    assert row is not None
    assert (row["enabled"], row["disabled_reason"], row["noticed_at"] is None) == (False, "full", False)
    event = await db.fetchrow("select * from visapi.events_in where type = 'endpoint.disabled'")
    assert event is not None
    assert (event["tenant"], event["source"], event["publish"]) == (TENANT, f"/v1/endpoints/{full}", True)
    assert b'"reason" : "full"' in event["body"]
    await rows.announce()
    assert await db.fetchval("select count(*) from visapi.events_in") == 1
    # Of what ended the newest are kept, and some more until the next thousand.
    assert len(await messages(db, ended)) < 1_200


async def test_webhooks_go_with_their_age_and_with_their_endpoint(pool: Pool, db: Pool):
    old, removed, kept = [await endpoint(db, name, "event.*") for name in ("old", "removed", "kept")]
    await news(db, 2)
    while await fan_out(pool).round():
        pass
    for one in (old, removed, kept):
        for row in await messages(db, one):
            await plant(db, "endpoint_attempts", message=row["id"], number=1, tenant=TENANT, took_ms=1)
    await move_back(db, "endpoint_messages", timedelta(days=8), "created_at", "next_at", endpoint=old)
    await move_back(db, "endpoint_attempts", timedelta(days=8), "at")
    await overwrite(db, "endpoints", {"id": removed}, enabled=False)
    gone_at = datetime.now(UTC) - timedelta(minutes=2)
    await overwrite(db, "endpoints", {"id": removed}, deleted_at=gone_at)
    rows = PostgresEndpointRows(pool, 7)
    assert await rows.sweep(5_000) == 6
    assert [len(await messages(db, one)) for one in (old, removed, kept)] == [0, 0, 2]
    assert await db.fetchval("select count(*) from visapi.endpoint_attempts") == 0
    assert await db.fetchval("select count(*) from visapi.endpoint_news") == 2
    names = await db.fetch("select name from visapi.endpoints order by name")
    assert [row["name"] for row in names] == ["kept", "old"]
    await overwrite(db, "endpoint_messages", {"endpoint": kept}, state="delivered")
    await move_back(db, "endpoint_news", timedelta(days=9), "created_at")
    await rows.sweep(5_000)
    assert await db.fetchval("select count(*) from visapi.endpoint_news") == 0


class LookedBefore(PostgresEndpointHistory):
    """Has looked for endpoints before the latest one was made."""

    looked: Any = None

    async def wanted(self) -> Any:
        looked, self.looked = self.looked, None
        return looked or await super().wanted()


async def test_a_tenants_first_endpoint_misses_nothing_while_history_is_read_for_another_tenant(stack: Stack):
    pool = stack.gateway.pool
    await add_tenants(pool, OTHER)
    await stack.gateway.deploy("quick", QUICK)
    await endpoint(pool, "theirs", "run.*", tenant=OTHER)
    history = LookedBefore(pool)
    history.looked = await history.wanted()
    mine = await endpoint(pool, "mine", "run.*")
    async with history.lease(), stack.orchestrator():
        await stack.gateway.ended(await stack.gateway.start("quick"))
    for _ in range(2):
        await EndpointNews(history, open_metrics()).once()
    await fan_out(pool).round()
    assert len(await messages(pool, mine)) == 2


async def test_a_message_that_is_being_tried_outlives_its_age_with_what_it_tells(pool: Pool, db: Pool):
    tried, left = [await endpoint(db, name, "event.*") for name in ("tried", "left")]
    await news(db, 1)
    await fan_out(pool).round()
    await move_back(db, "endpoint_messages", timedelta(days=30), "created_at")
    await move_back(db, "endpoint_news", timedelta(days=30), "created_at")
    await move_back(db, "endpoint_messages", timedelta(days=3), "next_at", endpoint=tried)
    await move_back(db, "endpoint_messages", timedelta(days=5), "next_at", endpoint=left)
    rows = PostgresEndpointRows(pool, 1)
    await rows.sweep(5_000)
    assert [len(await messages(db, one)) for one in (tried, left)] == [1, 0]
    await overwrite(db, "endpoint_messages", {"endpoint": tried}, state="delivered")
    await rows.sweep(5_000)
    assert await db.fetchval("select count(*) from visapi.endpoint_news") == 0


async def test_the_mark_moves_past_all_history_only_while_no_endpoint_wants_it(stack: Stack):
    """A replica that looked before an endpoint was made skips nothing of what the endpoint wants."""
    pool = stack.gateway.pool
    history = PostgresEndpointHistory(pool)

    async def mark() -> int:
        return int(await pool.fetchval("select xid::text from visapi.endpoint_relay"))

    began = await mark()
    await history.skip()
    skipped = await mark()
    assert skipped > began
    await endpoint(pool, "runs", "run.*")
    await history.skip()
    assert await mark() == skipped
