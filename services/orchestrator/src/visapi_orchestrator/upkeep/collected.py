"""Upkeep of the listeners of schedules and their collections. A listener whose run has ended is removed.
Events that waited too long for the others become dead letters; events of an ended listener move to the
listener of the next version.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.ports import WakeRuns

LIMIT = 500
"""Collections of one listener that are moved or given up in one transaction."""
_EVERY_S = 5.0


class HandedOver(NamedTuple):
    """`listener` has new inbox rows; None where no version of the workflow listens any more."""

    collections: int
    listener: UUID | None


class EndedListener(NamedTuple):
    """A workflow whose schedule receives no events until another version is deployed."""

    run: UUID
    tenant: str
    workflow: str
    status: str | None
    """How the run ended; None where it is no longer kept."""


class CollectedRows(Protocol):
    async def remove_ended(self, limit: int) -> list[EndedListener]:
        """Remove the listeners whose runs have ended and that no deployment has replaced."""
        ...

    async def orphaned(self) -> list[UUID]:
        """Some listeners that have ended and left collections."""
        ...

    async def hand_over(self, listener: UUID, limit: int) -> HandedOver: ...
    async def overdue(self) -> list[UUID]:
        """Some listeners with collections that are too old."""
        ...

    async def give_up(self, listener: UUID, limit: int) -> list[DeadLetterEntry]:
        """Delete collections that are too old; return the dead letters of their events, which are stored."""
        ...


class CollectedSweep:
    """See the module's docstring. A listener whose collections cannot be swept delays no other."""

    def __init__(self, rows: CollectedRows, quarantine: Quarantine, wake: WakeRuns, metrics: Metrics) -> None:
        self._rows = rows
        self._quarantine = quarantine
        self._isolation = Isolation("collected", metrics)
        self._wake = wake
        self._metrics = metrics
        self._log = get_logger("collections")

    async def run(self) -> None:
        """Look every five seconds until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(_EVERY_S)

    async def once(self) -> None:
        """One look."""
        try:
            for ended in await self._rows.remove_ended(LIMIT):
                self._log.error(
                    "schedule_hears_no_more",
                    tenant=ended.tenant,
                    workflow=ended.workflow,
                    run=str(ended.run),
                    status=ended.status,
                    detail="the run that listens for its events has ended; deploy another version",
                )
            await self._isolation.each(await self._rows.orphaned(), self._hand_over, self._pass_over)
            await self._isolation.each(await self._rows.overdue(), self._give_up, self._pass_over)
        except Fault as fault:
            self._isolation.note(fault)

    async def _hand_over(self, listeners: Sequence[UUID]) -> None:
        for listener in listeners:
            moved = await self._rows.hand_over(listener, LIMIT)
            if moved.listener is not None:
                self._wake([moved.listener])
            else:
                self._metrics.events_uncollected.labels("removed").inc(moved.collections)

    async def _give_up(self, listeners: Sequence[UUID]) -> None:
        for listener in listeners:
            dead_letters = await self._rows.give_up(listener, LIMIT)
            self._metrics.events_uncollected.labels("expired").inc(len(dead_letters))
            for dead_letter in dead_letters:
                self._quarantine.announce(dead_letter)

    async def _pass_over(self, listener: UUID, error: Exception) -> None:
        """Skip the listener: its collections stay for the next look."""
        self._log.error("listener_passed_over", listener=str(listener), detail=failure_text(error))
