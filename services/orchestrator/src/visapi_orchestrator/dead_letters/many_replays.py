"""Asks for the dead letters of replays of many, each at its rate, oldest first.

A step asks for the letters of one second, and moves the replay on in the same transaction: a replay continues
after the kill of any process. `dead_letters.replays` puts the letters back; a letter that fails stops no
other.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics

REPLAYS_AT_ONCE = 100
_EVERY_S = 1.0


class ManyReplayRows(Protocol):
    async def due(self, limit: int) -> Sequence[UUID]:
        """Replays whose next step is due."""
        ...

    async def step(self, replay: UUID) -> int:
        """Ask for the next letters of a replay, and return their number. 0 while another process asks, and at
        the end of the replay, which is recorded.
        """
        ...


async def keep_asking(rows: ManyReplayRows, asked: Callable[[], None], metrics: Metrics) -> None:
    """Look once a second until cancelled; `asked` is called after letters were asked for."""
    isolation = Isolation("many-replays", metrics)
    while True:
        await ask_once(rows, asked, isolation)
        await asyncio.sleep(_EVERY_S)


async def ask_once(rows: ManyReplayRows, asked: Callable[[], None], isolation: Isolation) -> None:
    """One step of each replay that is due. One that fails delays no other."""
    try:
        replays = await rows.due(REPLAYS_AT_ONCE)
    except Fault as fault:
        isolation.note(fault)
        return
    for replay in replays:
        try:
            if await rows.step(replay):
                asked()
        except Fault as fault:
            isolation.note(fault)
