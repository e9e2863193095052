"""Collections are loaded for a few listeners at a time, so that a batch never holds many large ones."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from visapi_common.contracts.runs import RunStatus
from visapi_engine.process.protocol import Answer, Work
from visapi_orchestrator.transitions.collecting import KEYS_AT_ONCE, CollectingEngine
from visapi_orchestrator.transitions.rules.ledger_answers import HeldCollections


class Listeners:
    """Engine and ledger at once: each run wants so many collections, and answers once it has them."""

    def __init__(self, wants: Sequence[int]) -> None:
        self.wants = {UUID(int=number): count for number, count in enumerate(wants, start=1)}
        self.loaded: list[int] = []
        self.largest = 0

    def works(self) -> list[Work]:
        return [Work(run=run, tenant="t", program="p", seq=0, events=[]) for run in self.wants]

    async def advance(self, works: Sequence[Work], *, apart: bool = False) -> AsyncIterator[Answer]:
        assert not apart
        self.largest = max(self.largest, sum(len(work.collected.stored) for work in works))
        for work in works:
            keys = [f"key-{number}" for number in range(self.wants[work.run])]
            missing = [key for key in keys if key not in work.collected.stored]
            yield Answer(
                run=work.run, status=RunStatus.WAITING, state=b"", first_seq=1, seq=0, wanted=missing
            )

    async def collections(self, wanted: Mapping[UUID, Sequence[str]]) -> dict[UUID, HeldCollections]:
        self.loaded.append(sum(map(len, wanted.values())))
        return {run: HeldCollections(dict.fromkeys(keys), 0, 0) for run, keys in wanted.items()}


@pytest.mark.parametrize("wants", [[1] * 100, [0, 3, 0, 20, 20], [KEYS_AT_ONCE] * 3, []])
async def test_every_run_answers_once_and_few_collections_are_in_memory(wants: list[int]):
    listeners = Listeners(wants)
    engine = CollectingEngine(cast(Any, listeners), cast(Any, listeners), 10_000)
    answered = [answer.run async for answer in engine.advance(listeners.works())]
    assert sorted(answered) == list(listeners.wants)
    assert sum(listeners.loaded) == sum(wants)
    assert listeners.largest <= KEYS_AT_ONCE


async def test_a_listener_that_wants_many_stands_alone():
    listeners = Listeners([1, 200, 1])
    engine = CollectingEngine(cast(Any, listeners), cast(Any, listeners), 10_000)
    answered = [answer.run async for answer in engine.advance(listeners.works())]
    assert sorted(answered) == list(listeners.wants)
    assert (listeners.largest, sorted(listeners.loaded)) == (200, [1, 1, 200])
