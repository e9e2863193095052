"""A producer that floods the stream of events is refused, and events of other tenants are still accepted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from attacks.bystander import Bystander
from attacks.harness import AttackStack
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
_PRODUCERS = 24
_FLOOD_S = 8.0
_TEXT = "x" * (384 * 1024)


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

    database = await asyncpg.connect(stack.owner_url)
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
