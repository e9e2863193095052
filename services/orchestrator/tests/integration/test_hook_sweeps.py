"""What hooks remember goes with its age and with its hook, and what a tenant holds is counted to the byte."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from kit.ledger_rows import move_back, plant
from kit.servers import Database
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_gateway.hooks.managing.service import HookRow
from visapi_gateway.hooks.managing.store import PgHookStore
from visapi_gateway.hooks.receiving.store import Holdings, PgDeliveryLedger
from visapi_gateway.hooks.rules.events import Delivery
from visapi_gateway.kernel.quotas import Quotas
from visapi_orchestrator.upkeep.store.hooks import PostgresHookRows

IDS = RandomIds()
MOST = Holdings(1_000_000, 1 << 30)
DAYS = 30


class Ledger:
    """The gateway's stores, and the sweep of the orchestrator."""

    def __init__(self, db: asyncpg.Connection, gateway: Pool, orchestrator: Pool) -> None:
        self.db = db
        self.hooks = PgHookStore(gateway, Quotas())
        self.deliveries = PgDeliveryLedger(gateway, MOST)
        self.rows = PostgresHookRows(orchestrator, DAYS)

    async def hook(self, tenant: str, name: str) -> UUID:
        hook = IDS.uuid7()
        row = HookRow(tenant, hook, name, f"{hook.hex}00000000", "none", b"{}", "test")
        audit = AuditEntry(tenant, "test", AuditAction.HOOK_CREATE, f"hook:{hook}", None, None, {})
        assert await self.hooks.put(row, [], audit, None)
        return hook

    async def remove(self, tenant: str, hook: UUID) -> None:
        audit = AuditEntry(tenant, "test", AuditAction.HOOK_REMOVE, f"hook:{hook}", None, None, {})
        assert await self.hooks.remove(hook, audit, lambda _: None)

    async def deliver(self, tenant: str, hook: UUID, *names: str) -> None:
        some = [
            Delivery(tenant, hook, IDS.uuid7(), name, f"/hooks/{hook}", "t", None, 3, b"x" * 100)
            for name in names
        ]
        assert len(await self.deliveries.put(tenant, some)) == len(names)

    async def held(self) -> dict[str, tuple[int, int]]:
        """What is counted for each tenant, checked against the rows."""
        rows = await self.db.fetch(
            "select u.tenant, u.deliveries, u.bytes,"
            " (select count(*) from visapi.hook_deliveries d where d.tenant = u.tenant) as number,"
            " (select coalesce(sum(size), 0) from visapi.hook_bodies b where b.tenant = u.tenant) as size"
            " from visapi.hook_usage u"
        )
        assert [(row["deliveries"], row["bytes"]) for row in rows] == [
            (row["number"], row["size"]) for row in rows
        ]
        return {row["tenant"]: (row["deliveries"], row["bytes"]) for row in rows}


@pytest.fixture
async def ledger(postgres_db: Database) -> AsyncIterator[Ledger]:
    db = await asyncpg.connect(postgres_db.superuser)
    await plant(db, "tenants", id="other")
    gateway, orchestrator = [
        await open_pool(url, size=2, application="test")
        for url in (postgres_db.gateway, postgres_db.orchestrator)
    ]
    yield Ledger(db, gateway, orchestrator)
    for pool in (gateway, orchestrator):
        await pool.close()
    await db.close()


async def test_old_deliveries_go_in_steps_and_are_no_longer_counted(ledger: Ledger):
    hooks = {tenant: await ledger.hook(tenant, "h") for tenant in ("default", "other")}
    for tenant, hook in hooks.items():
        await ledger.deliver(tenant, hook, "a", "b", "c")
    await move_back(
        ledger.db, "hook_deliveries", timedelta(days=DAYS, hours=1), "received_at", delivery=["a", "b"]
    )
    assert [await ledger.rows.sweep(3), await ledger.rows.sweep(3), await ledger.rows.sweep(3)] == [3, 1, 0]
    assert await ledger.held() == {"default": (1, 100), "other": (1, 100)}
    # What was forgotten may come again; what is remembered may not.
    await ledger.deliver("default", hooks["default"], "d")
    again = Delivery("default", hooks["default"], IDS.uuid7(), "c", "/hooks/h", "t", None, 3, b"y")
    assert await ledger.deliveries.put("default", [again]) == set()


async def test_a_removed_hook_takes_its_deliveries_along_and_no_others(ledger: Ledger):
    gone, kept = await ledger.hook("default", "gone"), await ledger.hook("default", "kept")
    await ledger.deliver("default", gone, *(f"d{number}" for number in range(7)))
    await ledger.deliver("default", kept, "d0")
    await ledger.remove("default", gone)
    assert [await ledger.rows.sweep(5), await ledger.rows.sweep(5)] == [5, 2]
    assert await ledger.held() == {"default": (1, 100)}
    # A request that found the hook may still be under way.
    assert await ledger.db.fetchval("select count(*) from visapi.hooks") == 2
    await move_back(ledger.db, "hooks", timedelta(minutes=2), "deleted_at", id=gone)
    assert await ledger.rows.sweep(5) == 0
    assert [row["id"] for row in await ledger.db.fetch("select id from visapi.hooks")] == [kept]


async def test_a_sweep_and_commits_at_the_same_time_never_wait_in_a_circle(ledger: Ledger):
    import asyncio

    ledger.deliveries = PgDeliveryLedger(ledger.deliveries._pool, Holdings(1000, 30_000))
    hooks = {tenant: await ledger.hook(tenant, "h") for tenant in ("default", "other")}
    for tenant, hook in hooks.items():
        await ledger.deliver(tenant, hook, *(f"old{number}" for number in range(400)))
    await move_back(ledger.db, "hook_deliveries", timedelta(days=DAYS, hours=1), "received_at")

    async def commit(tenant: str, hook: UUID) -> None:
        for number in range(40):
            await ledger.deliver(tenant, hook, *(f"n{number}-{each}" for each in range(20)))

    async def sweep() -> None:
        for _ in range(60):
            await ledger.rows.sweep(30)

    async with asyncio.TaskGroup() as group:
        for tenant, hook in hooks.items():
            group.create_task(commit(tenant, hook))
        group.create_task(sweep())
    held = await ledger.held()
    assert {tenant: number for tenant, (number, _) in held.items()} == {"default": 800, "other": 800}
    assert all(size <= 30_000 for _, size in held.values())
