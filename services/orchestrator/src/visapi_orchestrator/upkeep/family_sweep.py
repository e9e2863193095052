"""Looks after families of runs: descendants of cancelled roots are cancelled, open runs are counted.

The cancellation of a root is a row of the ledger, so a process that dies loses nothing: the next sweep goes
on. No further descendant starts; open descendants are cancelled in batches.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.kernel.ports import WakeRuns

LIMIT = 256
"""Runs of one family that are cancelled at once."""
ROOM = 256
"""The sweep pauses while more runs than this wait for a lane: other work goes on between."""
_EVERY_S = 0.5
_FULL_S = 0.01
_UPKEEP_EVERY_S = 5.0
_COUNT_SHARE = 20
"""Counting takes at most a twentieth of the time."""
_RETIRE_LIMIT = 2000
_FIRST = UUID(int=0)


class FamilyRows(Protocol):
    async def cancel_descendants(self, limit: int) -> list[UUID]:
        """Cancel open descendants of cancelled roots; return the runs that were notified."""
        ...

    async def settle(self) -> None: ...
    async def retire(self, after: UUID, limit: int) -> UUID | None:
        """Delete families without open runs among the next ones; return the last family looked at."""
        ...

    async def tally(self, open_max: int) -> None:
        """Count the open runs of each tenant."""
        ...


async def keep_cancelling(rows: FamilyRows, wake: WakeRuns, waiting: Callable[[], int]) -> None:
    """Cancel the descendants of cancelled roots, until cancelled; `waiting` is how much waits for a lane."""
    log = get_logger("families")
    while True:
        if waiting() > ROOM:
            await asyncio.sleep(_FULL_S)
            continue
        runs: list[UUID] = []
        try:
            runs = await rows.cancel_descendants(LIMIT)
        except Fault as fault:
            log.warning("families_not_cancelled", detail=str(fault))
        if runs:
            log.info("descendants_cancelled", runs=len(runs))
            wake(runs)
        if len(runs) < LIMIT:
            await asyncio.sleep(_EVERY_S)


async def keep_counting(rows: FamilyRows, open_max: int, monotonic: Callable[[], float]) -> None:
    """Count open runs and retire families, until cancelled. The more there is to count, the rarer."""
    log = get_logger("families")
    after = _FIRST
    while True:
        began = monotonic()
        try:
            await rows.tally(open_max)
            took = monotonic() - began
            await rows.settle()
            after = await rows.retire(after, _RETIRE_LIMIT) or _FIRST
        except Fault as fault:
            log.warning("families_not_counted", detail=str(fault))
            took = 0.0
        await asyncio.sleep(max(_UPKEEP_EVERY_S, took * _COUNT_SHARE))
