"""Fires schedules by the database's clock, until cancelled. Several orchestrators share the work."""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.core.said import Said

LIMIT = 50
_EVERY_S = 1.0
_LEAST_S = 0.01


class ScheduleRows(Protocol):
    async def fire_due(self, limit: int) -> tuple[int, list[UUID]]: ...
    async def next_due_s(self) -> float | None: ...


class Queue(Protocol):
    """Where runs with news go: the pump."""

    def put(self, said: Sequence[Said]) -> None: ...


async def keep_firing(rows: ScheduleRows, queue: Queue) -> None:
    """Look when the next schedule is due, and at least once a second: others may be deployed."""
    log = get_logger("schedules")
    while True:
        wait_s = _EVERY_S
        try:
            count, runs = await rows.fire_due(LIMIT)
            queue.put([Said(run, look=True) for run in runs])
            due_s = await rows.next_due_s()
            if count == LIMIT:
                wait_s = _LEAST_S
            elif due_s is not None:
                wait_s = min(_EVERY_S, max(_LEAST_S, due_s))
        except Fault as fault:
            log.warning("schedules_not_fired", detail=str(fault))
        await asyncio.sleep(wait_s)
