"""Collections are loaded for a few listeners at a time, so that a batch never holds many large ones."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
import pytest

from kit.fakes.clocks import NOON_MS
from kit.fakes.engine import InlineEngine
from kit.fakes.ledger import FakeLedger
from kit.fakes.rows import FakeRows
from visapi_engine.machine.events import EventArrived, Started
from visapi_engine.process.protocol import Work
from visapi_orchestrator.transitions.collecting import KEYS_AT_ONCE, CollectingEngine
from visapi_orchestrator.transitions.rules.ledger_answers import HeldCollections

ORDER = "correlate: {order: {from: .data.order}}"
PAID_AND_PACKED = f"all: [{{with: {{type: paid}}, {ORDER}}}, {{with: {{type: packed}}, {ORDER}}}]"


class CountingLedger(FakeLedger):
    """Counts the collections that each call loads."""

    def __init__(self) -> None:
        super().__init__(FakeRows())
        self.loaded: list[int] = []

    async def collections(self, wanted: Mapping[UUID, Sequence[str]]) -> dict[UUID, HeldCollections]:
        self.loaded.append(sum(map(len, wanted.values())))
        return await super().collections(wanted)


class Listeners:
    """A listener hears of so many orders, each a correlation of its own."""

    def __init__(self, orders: Sequence[int]) -> None:
        self.engine, self.ledger = InlineEngine(), CountingLedger()
        program = self.engine.deploy_listener(PAID_AND_PACKED)
        self.works = [_work(UUID(int=number), program, count) for number, count in enumerate(orders, 1)]

    async def answered(self) -> list[UUID]:
        collecting = CollectingEngine(self.engine, self.ledger, 10_000)
        return [answer.run async for answer in collecting.advance(self.works)]

    @property
    def largest(self) -> int:
        """The most collections that one batch held."""
        held = (sum(len(work.collected.stored) for work in works) for works in self.engine.calls)
        return max(held, default=0)


def _work(run: UUID, program: str, orders: int) -> Work:
    started = Started(NOON_MS, str(run), b"null")
    return Work(
        run=run,
        tenant="t",
        program=program,
        seq=0,
        events=[started, *(_paid(number) for number in range(orders))],
    )


def _paid(order: int) -> EventArrived:
    event = {"specversion": "1.0", "id": f"e{order}", "source": "/shop", "type": "paid"}
    return EventArrived(NOON_MS, msgspec.json.encode({**event, "data": {"order": order}}))


@pytest.mark.parametrize("orders", [[1] * 100, [0, 3, 0, 20, 20], [KEYS_AT_ONCE] * 3, []])
async def test_every_run_answers_once_and_few_collections_are_in_memory(orders: list[int]):
    listeners = Listeners(orders)
    assert sorted(await listeners.answered()) == [work.run for work in listeners.works]
    assert sum(listeners.ledger.loaded) == sum(orders)
    assert listeners.largest <= KEYS_AT_ONCE


async def test_a_listener_that_wants_many_stands_alone():
    listeners = Listeners([1, 200, 1])
    assert sorted(await listeners.answered()) == [work.run for work in listeners.works]
    assert (listeners.largest, sorted(listeners.ledger.loaded)) == (200, [1, 1, 200])
