"""Sends tasks again that were lost between a commit and a worker (docs/explanation/delivery-protocol.md).

A task is an open row; its message is a copy in the memory stream `TASKS`. When a row is overdue without a
heartbeat, the stream decides: a task that was sent before the oldest remaining message of its function (with
2 s of margin for clocks and delays) has no message any more. When no message remains, every overdue task of
the function was lost. All other tasks are only waiting.

While results wait to be consumed nothing is sent, because the result of an overdue task may be among them.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.kernel.ports import Publisher
from visapi_orchestrator.tasks.rules.counting import counted_as
from visapi_orchestrator.tasks.sending import send
from visapi_orchestrator.transitions.rules.open_tasks import StoredTask

LIMIT = 1000
_EVERY_S = 1.0
_MARGIN = timedelta(seconds=2)


class OpenTasks(Protocol):
    """The rows of open tasks."""

    async def overdue_functions(self) -> list[tuple[str, str]]: ...
    async def claim_lost(
        self, limit: int, tenant: str, function: str, sent_before: datetime | None
    ) -> list[StoredTask]: ...
    async def postpone(self, limit: int, tenant: str, function: str) -> None: ...


class TaskStream(Protocol):
    """The queues of the streams."""

    async def oldest_task(self, subject: str) -> datetime | None: ...
    async def results_waiting(self) -> int: ...


class TaskSweep:
    """See the module's docstring."""

    def __init__(self, tasks: OpenTasks, stream: TaskStream, publisher: Publisher, metrics: Metrics) -> None:
        self._tasks = tasks
        self._stream = stream
        self._publisher = publisher
        self._metrics = metrics
        self._isolation = Isolation("task-sweep", metrics)
        self._log = get_logger("task-sweep")

    async def run(self) -> None:
        """Sweep once a second, without a pause while there is more, until cancelled."""
        while True:
            full = False
            try:
                full = await self.sweep_once()
            except Fault as fault:
                self._isolation.note(fault)
            if not full:
                await asyncio.sleep(_EVERY_S)

    async def sweep_once(self) -> bool:
        """Whether a function had more lost tasks than one sweep takes."""
        functions = await self._tasks.overdue_functions()
        if not functions or await self._stream.results_waiting() > 0:
            return False
        full: list[bool] = []

        async def sweep(some: Sequence[tuple[str, str]]) -> None:
            full.extend([await self._sweep_function(*one) for one in some])

        await self._isolation.each(functions, sweep, self._pass_over)
        return any(full)

    async def _pass_over(self, function: tuple[str, str], error: Exception) -> None:
        """Skip the function: its tasks stay overdue for the next round."""
        self._log.error(
            "function_passed_over", tenant=function[0], function=function[1], detail=failure_text(error)
        )

    async def _sweep_function(self, tenant: str, function: str) -> bool:
        """Whether it had more lost tasks than one sweep takes."""
        subject = subjects.task(tenant, function)
        oldest = await self._stream.oldest_task(subject)
        before = None if oldest is None else oldest - _MARGIN
        lost = await self._tasks.claim_lost(LIMIT, tenant, function, before)
        if lost:
            self._send(subject, function, lost)
        if oldest is not None:
            await self._tasks.postpone(LIMIT, tenant, function)
        return len(lost) == LIMIT

    def _send(self, subject: str, function: str, lost: Sequence[StoredTask]) -> None:
        send(self._publisher, subject, lost)
        self._metrics.sweeps.labels("task").inc(len(lost))
        self._metrics.tasks_published.labels(counted_as(function)).inc(len(lost))
        self._log.info("tasks_sent_again", function=function, count=len(lost))
