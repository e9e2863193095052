"""The engine, called with the collections of schedules that it asks for.

Only the machine knows which correlations an event concerns. A listener's first answer names the missing keys;
the engine is called again with the ledger's collections under these keys. The compare-and-set on the
listener's revision also guards the collections, which nothing else changes.
"""

from collections.abc import AsyncIterator, Sequence

import msgspec

from visapi_common.core.batches import batches
from visapi_engine.machine.collections import ALL_BYTES_MAX, StoredCollections
from visapi_engine.process.protocol import Answer, Work
from visapi_orchestrator.transitions.ports import Engine, Ledger

KEYS_AT_ONCE = 32
"""Collections that are in memory together, each of at most 1 MiB, unless one listener alone wants more."""


class CollectingEngine:
    """See `transitions.ports.Engine`. A schedule collects events for at most `collections_max` correlations
    at a time.
    """

    def __init__(self, engine: Engine, ledger: Ledger, collections_max: int) -> None:
        self._engine = engine
        self._ledger = ledger
        self._collections_max = collections_max

    async def advance(self, works: Sequence[Work], *, apart: bool = False) -> AsyncIterator[Answer]:
        if not works:
            return
        waiting: list[tuple[Sequence[Work], Sequence[Answer]]] = [(works, ())]
        while waiting:
            some, wanting = waiting.pop()
            if wanting:
                some = await self._with_collections(some, wanting)
            asking: list[Answer] = []
            async for answer in self._engine.advance(some, apart=apart):
                if answer.wanted:
                    asking.append(answer)
                else:
                    yield answer
            known = {work.run: work for work in some}
            waiting += [
                ([known[one.run] for one in part], part) for part in batches(asking, _keys, KEYS_AT_ONCE)
            ]

    async def _with_collections(self, works: Sequence[Work], asking: Sequence[Answer]) -> list[Work]:
        held = await self._ledger.collections({answer.run: answer.wanted for answer in asking})
        again: list[Work] = []
        for work in works:
            found = held.get(work.run)
            if found is None:
                continue
            collected = StoredCollections(
                {**work.collected.stored, **found.stored},
                room=self._collections_max - found.number,
                bytes_room=ALL_BYTES_MAX - found.bytes_held,
            )
            again.append(msgspec.structs.replace(work, collected=collected))
        return again


def _keys(answer: Answer) -> int:
    """How many collections the answer wants."""
    return len(answer.wanted)
