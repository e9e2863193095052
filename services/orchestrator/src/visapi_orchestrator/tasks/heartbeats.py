"""Heartbeats of tasks, written together at most once a second."""

import asyncio
from collections.abc import Collection
from typing import Protocol

from visapi_common.contracts.engine_messages import TaskHeartbeat
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.transitions.rules.open_tasks import Attempt

_EVERY_S = 1.0
_BOUND = 10_000
"""Heartbeats kept while PostgreSQL is unavailable; a task repeats its heartbeat every 3 s."""


class HeartbeatTasks(Protocol):
    async def beat(self, attempts: Collection[Attempt]) -> None: ...


class Heartbeats:
    """Collects heartbeats and writes them."""

    def __init__(self, tasks: HeartbeatTasks, metrics: Metrics) -> None:
        self._tasks = tasks
        self._isolation = Isolation("heartbeats", metrics)
        self._heard: set[Attempt] = set()
        self._log = get_logger("heartbeats")

    def beat(self, heartbeat: TaskHeartbeat) -> None:
        if len(self._heard) < _BOUND:
            self._heard.add((heartbeat.run, heartbeat.path, heartbeat.attempt))

    async def run(self) -> None:
        """Write collected heartbeats until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if not self._heard:
                continue
            heard, self._heard = self._heard, set()
            await self._isolation.each(list(heard), self._tasks.beat, self._pass_over)

    async def _pass_over(self, attempt: Attempt, error: Exception) -> None:
        """Drop a heartbeat that cannot be written; its task sends another."""
        self._log.error("heartbeat_passed_over", run=str(attempt[0]), detail=failure_text(error))
