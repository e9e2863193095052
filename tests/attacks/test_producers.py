"""Producers that flood the stream of events are refused, and events of other tenants are still accepted and heard,
also when the flood is that of a tenant which is disabled.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

import asyncpg
import msgspec
import psutil
import pytest
import pytest_asyncio

from attacks.bystander import Bystander
from attacks.harness import AttackStack
from kit.forms import FULL
from kit.poison import orchestrators_url
from kit.tenants import disable, enable
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

STACK_SETTINGS = {"VISAPI_STREAM_EVENTS_BYTES": str(192 * 1024 * 1024)}
TELLS = """
document: {dsl: '1.0.3', namespace: attack, name: tells, version: '1.0.0'}
do: [{tell: {emit: {event: {with: {type: seen, data: '${ . }'}}}}}]
"""
HEARS = """
document: {dsl: '1.0.3', namespace: attack, name: hears, version: '1.0.0'}
schedule: {on: {one: {with: {type: heard}}}}
do: [{note: {set: {id: '${ .[0].id }'}}}]
"""
_PRODUCERS = 24
_FLOOD_S = 8.0
_TEXT = "x" * (384 * 1024)
_DISABLED_EVENTS = 12_000 if FULL else 3_000
"""More than a disabled tenant may have as dead letters, or than half of that."""
_HEARD_MS = 3000.0
"""Its own p99 is some 50 ms; tests share two cores."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def producer(stack: AttackStack) -> AsyncIterator[Bus]:
    """The NATS user of the tenant `default`, which is the attacker here."""
    connected = await Bus.connect(stack.ready.nats, "attacker")
    yield connected
    await connected.close()


async def test_a_flood_of_events_is_refused_and_events_of_another_tenant_are_published(
    stack: AttackStack, producer: Bus, bystander: Bystander
) -> None:
    other = await stack.tenant("bystander")
    target = await other.deploy(TELLS)
    numbers, answers, over = count(), Counter[str](), asyncio.Event()

    async def flood() -> None:
        while not over.is_set():
            number = next(numbers)
            event = {
                "specversion": "1.0",
                "id": str(number),
                "source": "/flood",
                "type": f"flood.{number}",
                "data": _TEXT,
            }
            try:
                subject = subjects.event("default", f"flood.{number}")
                await producer.publish_acked(subject, msgspec.json.encode(event))
                answers["accepted"] += 1
            except Fault:
                answers["refused"] += 1

    database = await asyncpg.connect(orchestrators_url(stack.pid("orchestrator")))
    unpublished = "select count(*) from visapi.events_in where tenant = 'bystander' and publish and published_at is null"

    async def published() -> bool:
        return await database.fetchval(unpublished) == 0

    async with bystander.at_work(attack="a flood of events"):
        flooding = [asyncio.create_task(flood()) for _ in range(_PRODUCERS)]
        until = asyncio.get_running_loop().time() + _FLOOD_S
        told = 0
        while asyncio.get_running_loop().time() < until or not answers["refused"]:
            assert (await other.start(target, {"n": told}, wait_s=20)).json()["status"] == "completed"
            told += 1
            # While the flood goes on: JetStream has acknowledged the event.
            await eventually(published, within_s=20)
        over.set()
        await asyncio.gather(*flooding)
    await database.close()
    print(f"\n{dict(answers)}; {told} events of the bystander published meanwhile")
    assert answers["accepted"] > 50, "the attack did not take place"
    assert told > 5


class Listener:
    """The events of a bystander: published on the stream one after another, each until its run has ended."""

    def __init__(self, producer: Bus, database: asyncpg.Pool) -> None:
        self._producer = producer
        self._database = database
        self._number = 0

    async def hears(self, over: asyncio.Event, *, at_least: int = 20) -> list[float]:
        """The latencies until `over`, in milliseconds and sorted."""
        loop, latencies = asyncio.get_running_loop(), list[float]()
        while not over.is_set() or len(latencies) < at_least:
            began = loop.time()
            self._number += 1
            await eventually(lambda: self._published(str(self._number)))
            await eventually(self._heard_all)
            latencies.append((loop.time() - began) * 1000)
            await asyncio.sleep(0.02)
        return sorted(latencies)

    async def _published(self, number: str) -> bool:
        """As a producer does: again, until the stream has it."""
        try:
            await _publish(self._producer, "bystander", "heard", number)
        except Fault:
            return False
        return True

    async def _heard_all(self) -> bool:
        count = "select count(*) from visapi.runs_done where tenant = 'bystander' and name = 'hears' and not quiet"
        return await self._database.fetchval(count) == self._number


async def _publish(producer: Bus, tenant: str, kind: str, number: str) -> None:
    event = {"specversion": "1.0", "id": number, "source": "/shop", "type": kind, "data": {"n": number}}
    await producer.publish_acked(subjects.event(tenant, kind), msgspec.json.encode(event))


def _services_url(stack: AttackStack) -> str:
    """NATS as the orchestrator reaches it, who may publish events of every tenant: only the tenant `default` has a
    user of its own on an embedded stack.
    """
    return psutil.Process(stack.pid("orchestrator")).environ()["VISAPI_NATS_URL"]


def _told(latencies: list[float]) -> str:
    at = [latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.99)]
    return f"{len(latencies)} events, p50 {at[0]:.0f} ms, p99 {at[1]:.0f} ms"


async def test_thousands_of_events_of_a_disabled_tenant_delay_no_event_of_another(
    stack: AttackStack, producer: Bus, bystander: Bystander
) -> None:
    await (await stack.tenant("bystander")).deploy(HEARS)
    database = await asyncpg.create_pool(orchestrators_url(stack.pid("orchestrator")), min_size=2)
    owner = await asyncpg.connect(stack.owner_url)
    services = await Bus.connect(_services_url(stack), "bystander")
    listener, over = Listener(services, database), asyncio.Event()
    over.set()
    alone = await listener.hears(over)
    over.clear()
    numbers, answers = iter(range(_DISABLED_EVENTS)), Counter[str]()

    async def flood() -> None:
        for number in numbers:
            try:
                await _publish(producer, "default", "flood", str(number))
                answers["accepted"] += 1
            except Fault:
                answers["refused"] += 1

    kept = "select count(*) from visapi.dead_letters where tenant = 'default' and kind = 'message'"

    async def accounted() -> bool:
        dropped = await stack.metric("orchestrator", "visapi_events_dropped_total", reason="disabled")
        return await database.fetchval(kept) + dropped == answers["accepted"]

    await disable(owner, "default")
    try:
        async with bystander.at_work(attack="thousands of events of a disabled tenant"):
            hearing = asyncio.create_task(listener.hears(over))
            await asyncio.gather(*(flood() for _ in range(_PRODUCERS)))
            await eventually(accounted, within_s=120)
            over.set()
            heard = await hearing
    finally:
        await enable(owner, "default")
        await owner.close()
        await database.close()
        await services.close()
    print(f"\n{dict(answers)}; the bystander's {_told(heard)}; alone {_told(alone)}")
    assert answers["accepted"] > 2_000, "the attack did not take place"
    assert heard[int(0.99 * (len(heard) - 1))] <= _HEARD_MS
