"""`kill -9` of an orchestrator that refuses a producer: what was acknowledged is taken in, and the refusal ends."""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import count

import msgspec
import pytest

from kit.ledger_rows import plant
from kit.orchestration import TENANT, Stack, eventually
from kit.orchestrator_process import orchestrator_process
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.event_stream import EventStream
from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault

pytestmark = pytest.mark.timeout(300)

MIB = 1024 * 1024
STREAM_BYTES = 32 * MIB
TEXT = "x" * (256 * 1024)
PRODUCERS = 4
KILLS = 2


def judge_taken_in(accepted: Collection[str], taken_in: Sequence[str], unknown: Collection[str]) -> list[str]:
    """Every violation. Events of `unknown` were published, and their answer was lost or a refusal."""
    counts = Counter(taken_in)
    found = [f"event {one} was acknowledged and is lost" for one in sorted(set(accepted) - set(counts))]
    found += [f"event {one} was taken in {times} times" for one, times in counts.items() if times > 1]
    strangers = set(counts) - set(accepted) - set(unknown)
    return [*found, *(f"event {one} was never published" for one in sorted(strangers))]


class Producer:
    """Publishes events of one tenant, and remembers the answers."""

    def __init__(self, bus: Bus, tenant: str) -> None:
        self._bus = bus
        self._tenant = tenant
        self._numbers = count()
        self.accepted: list[str] = []
        self.refused: list[str] = []

    async def publish(self, text: str = TEXT) -> bool:
        """Whether JetStream acknowledged one more event."""
        name = f"{self._tenant}-{next(self._numbers)}"
        event = {"specversion": "1.0", "id": name, "source": "/f", "type": f"flood.{name}", "data": text}
        try:
            await self._bus.publish_acked(
                subjects.event(self._tenant, f"flood.{name}"), msgspec.json.encode(event)
            )
        except Fault:
            self.refused.append(name)
            return False
        self.accepted.append(name)
        return True

    async def flood(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self.publish()


@pytest.mark.full
async def test_what_was_acknowledged_is_taken_in_when_the_orchestrator_is_killed_while_it_refuses(
    stack: Stack,
) -> None:
    await plant(stack.gateway.pool, "tenants", id="small")
    bus = await stack.bus()
    big, small, stream = Producer(bus, TENANT), Producer(bus, "small"), EventStream(bus)
    orchestrator = orchestrator_process(stack, stream_events_bytes=STREAM_BYTES)
    orchestrator.start()

    async def refuses() -> bool:
        return (await stream.load()).tenants == {"small"}

    try:
        for _ in range(KILLS):
            over = asyncio.Event()
            flooding = [asyncio.create_task(big.flood(over)) for _ in range(PRODUCERS)]
            await eventually(refuses)
            orchestrator.kill()
            over.set()
            await asyncio.gather(*flooding)
            assert not await big.publish()
            orchestrator.start()
            await eventually(lambda: small.publish("a word"))
        await eventually(big.publish)
        pool = stack.gateway.pool
        accepted = {*big.accepted, *small.accepted}

        async def read() -> bool:
            return await pool.fetchval("select count(*) from events_in where matched_at is not null") >= len(
                accepted
            )

        await eventually(read)
        taken_in = [row["id"] for row in await pool.fetch("select id from events_in")]
        assert judge_taken_in(accepted, taken_in, {*big.refused, *small.refused}) == []
        assert len(big.accepted) * len(TEXT) > STREAM_BYTES / 4, "the flood did not take place"
    finally:
        orchestrator.kill()


def test_events_that_were_taken_in_once_are_no_violation() -> None:
    assert judge_taken_in(["a", "b"], ["a", "b", "c"], ["c", "d"]) == []


@pytest.mark.parametrize(
    ("taken_in", "sentence"),
    [
        (["a"], "event b was acknowledged and is lost"),
        (["a", "b", "b"], "event b was taken in 2 times"),
        (["a", "b", "z"], "event z was never published"),
    ],
)
def test_a_planted_defect_of_taking_in_is_found(taken_in: list[str], sentence: str) -> None:
    assert judge_taken_in(["a", "b"], taken_in, ["c"]) == [sentence]
