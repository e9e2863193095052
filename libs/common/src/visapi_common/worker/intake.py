"""Turns deliveries of one function into running tasks: at most `local` at once, without a buffer."""

import asyncio
import time

from visapi_common.adapters.pull_loop import Delivery, PullLoop
from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.attempt import Attempts
from visapi_common.worker.functions import Function
from visapi_common.worker.meter import DROPPED, FunctionMeter
from visapi_common.worker.open_tasks import OpenTask, OpenTasks

_read = Reader(TaskMessage, depth_max=STORED_DEPTH_MAX, nul=True, newest=NEWEST.messages)


class Intake:
    """Takes deliveries while slots are free, and starts a task for each."""

    def __init__(
        self, function: Function, pull: PullLoop, attempts: Attempts, tasks: OpenTasks, meter: FunctionMeter
    ) -> None:
        self._function = function
        self._pull = pull
        self._attempts = attempts
        self._tasks = tasks
        self._meter = meter
        self._free = function.local
        self._freed = asyncio.Event()
        self._log = get_logger("worker")

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Take deliveries until the pull loop is stopped; tasks run in `group`."""
        while True:
            while self._free == 0:
                self._freed.clear()
                await self._freed.wait()
            taken = await self._pull.take(self._free)
            if not taken:
                return
            for delivery in taken:
                self._start(delivery, group)

    def _start(self, delivery: Delivery, group: asyncio.TaskGroup) -> None:
        message = _read(delivery.data)
        if isinstance(message, Unreadable):
            # The ledger sends the task again, perhaps to a newer replica; this copy cannot be read here.
            self._log.error("task_unreadable", subject=delivery.subject, detail=message.reason)
            self._meter.unreadable()
            delivery.term("unreadable")
            self._pull.release()
            return
        task = self._tasks.begin(message, delivery)
        if task is None:
            self._pull.release()
        else:
            self._free -= 1
            self._meter.began(waited_s=time.time() - delivery.stored_at, redelivered=delivery.deliveries > 1)
            group.create_task(self._work(task))

    async def _work(self, task: OpenTask) -> None:
        outcome = DROPPED
        try:
            outcome = await self._attempts.work(self._function, task)
        finally:
            self._tasks.end(task)
            self._free += 1
            self._freed.set()
            self._pull.release()
            seconds = asyncio.get_running_loop().time() - task.since
            self._meter.ended(outcome, seconds, task.message.trace)
