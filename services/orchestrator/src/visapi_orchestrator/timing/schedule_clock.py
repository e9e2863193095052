"""Fires schedules by the database's clock, until cancelled. Several orchestrators share the work."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.ports import RunQueue
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.timing.rules.scheduling import ClaimedSchedule, DecidedSchedule, decide

LIMIT = 50
_EVERY_S = 1.0
_LEAST_S = 0.01


class ScheduleLease(Protocol):
    """Due schedules, leased by this process until its transaction ends."""

    @property
    def claimed(self) -> Sequence[ClaimedSchedule]: ...
    async def fire(self, decided: Sequence[DecidedSchedule]) -> list[UUID]:
        """Write the decisions, all or nothing; return the runs with new inbox rows or triggers."""
        ...

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool: ...


class ScheduleRows(Protocol):
    def due(self, limit: int) -> AbstractAsyncContextManager[ScheduleLease]: ...
    async def next_due_s(self) -> float | None: ...


class ScheduleClock:
    """See the module's docstring. A schedule that cannot be read, decided on or fired is set aside; it fires
    again when it is deployed again, or its dead letter replayed.
    """

    def __init__(
        self, rows: ScheduleRows, queue: RunQueue, quarantine: Quarantine, isolation: Isolation
    ) -> None:
        self._rows = rows
        self._queue = queue
        self._quarantine = quarantine
        self._isolation = isolation

    async def run(self) -> None:
        """Look when the next schedule is due, and at least once a second: others may be deployed."""
        while True:
            wait_s = _EVERY_S
            try:
                wait_s = await self._fire_once()
            except Fault as fault:
                self._isolation.note(fault)
            await asyncio.sleep(wait_s)

    async def _fire_once(self) -> float:
        """Fire due schedules; return the seconds until the next look."""
        news: list[UUID] = []
        async with self._rows.due(LIMIT) as lease:
            claimed = lease.claimed

            async def fire(some: Sequence[ClaimedSchedule]) -> None:
                news.extend(await lease.fire([_decided(one) for one in some]))

            async def set_aside(one: ClaimedSchedule, error: Exception) -> None:
                await self._quarantine.set_aside(_dead_letter(one, error), lease.set_aside)

            result = await self._isolation.each(claimed, fire, set_aside)
        self._queue.put([RunMessages(run, has_waiting_rows=True) for run in news])
        if result.fault is not None:
            return _EVERY_S
        if len(claimed) == LIMIT:
            return _LEAST_S
        due_s = await self._rows.next_due_s()
        return _EVERY_S if due_s is None else min(_EVERY_S, max(_LEAST_S, due_s))


def _decided(one: ClaimedSchedule) -> DecidedSchedule:
    due = one.read()
    return DecidedSchedule(due, decide(due))


def _dead_letter(one: ClaimedSchedule, error: Exception) -> DeadLetterEntry:
    return DeadLetterEntry(
        kind="schedule",
        tenant=one.tenant,
        reason="bad-schedule",
        detail=failure_text(error),
        item=(str(one.id),),
        body=one.spec,
    )
