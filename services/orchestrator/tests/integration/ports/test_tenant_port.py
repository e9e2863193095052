"""`events.producers.TenantRows` and `events.set_aside_messages.LetterCounts`: all tenants, the disabled ones whose dead
letters pile up, and those that are erased.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from kit.fakes.tenants import FakeTenants
from kit.ledger_rows import plant
from kit.orchestrator_rows import OrchestratorRows
from kit.servers import Database
from kit.tenants import add_tenants, disable
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import open_pool
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.events.store.events import PostgresEvents
from visapi_orchestrator.transitions.store.ledger import SESSION


@dataclass
class Tenants:
    rows: FakeTenants | PostgresEvents
    erase: Callable[[str], Awaitable[None]]
    disable: Callable[[str], Awaitable[None]]
    set_aside: Callable[[DeadLetterEntry], Awaitable[object]]


@pytest.fixture(params=["fake", "postgres"])
async def tenants(request: pytest.FixtureRequest) -> AsyncIterator[Tenants]:
    if request.param == "fake":
        fake = FakeTenants("a", "b", "default")

        async def disabled(tenant: str) -> None:
            fake.disabled.add(tenant)

        async def erased(tenant: str) -> None:
            fake.erasing.add(tenant)

        async def put(entry: DeadLetterEntry) -> None:
            fake.letters.append(entry)

        yield Tenants(fake, erased, disabled, put)
        return
    database: Database = request.getfixturevalue("postgres_db")
    pool = await open_pool(database.orchestrator, size=2, application="test", session=SESSION)
    owner = await open_pool(database.superuser, size=1, application="test")
    await add_tenants(owner, "a", "b")

    async def disable_one(tenant: str) -> None:
        await disable(owner, tenant)

    async def erase_one(tenant: str) -> None:
        await plant(owner, "tenant_erasures", tenant=tenant, requested_by="key:1", reason="they asked")

    events = PostgresEvents(pool, RandomIds())
    yield Tenants(events, erase_one, disable_one, OrchestratorRows(pool).set_aside)
    for one in (pool, owner):
        await one.close()


def letter(tenant: str, size: int) -> DeadLetterEntry:
    subject = f"visapi.events.{tenant}.{uuid4()}"
    return DeadLetterEntry(
        kind="message", tenant=tenant, reason="bad", detail="?", item=(subject,), body=b"x" * size
    )


async def test_all_tenants_are_listed(tenants: Tenants):
    assert sorted(await tenants.rows.tenants()) == ["a", "b", "default"]


async def test_a_disabled_tenant_fills_by_the_number_or_the_bytes_of_its_dead_letters(tenants: Tenants):
    for tenant in "ab":
        for _ in range(2):
            await tenants.set_aside(letter(tenant, 10))
    assert await tenants.rows.disabled_and_filling(["a", "b"], 2, 1000) == set()
    await tenants.disable("a")
    assert await tenants.rows.disabled_and_filling(["a", "b"], 2, 1000) == {"a"}
    assert await tenants.rows.disabled_and_filling(["a", "b"], 3, 19) == {"a"}
    assert await tenants.rows.disabled_and_filling(["a", "b"], 3, 20) == set()
    assert await tenants.rows.disabled_and_filling(["b"], 2, 1000) == set()


async def test_messages_set_aside_are_counted_up_to_a_number(tenants: Tenants):
    for _ in range(3):
        await tenants.set_aside(letter("a", 10))
    assert await tenants.rows.messages_set_aside("a", 5) == (3, 30)
    assert await tenants.rows.messages_set_aside("a", 2) == (2, 20)
    assert await tenants.rows.messages_set_aside("b", 5) == (0, 0)


async def test_of_some_tenants_those_that_are_erased_are_known(tenants: Tenants):
    await tenants.erase("a")
    assert await tenants.rows.erased(["a", "b", "nobody"]) == {"a"}
    assert await tenants.rows.erased(["b"]) == set()
