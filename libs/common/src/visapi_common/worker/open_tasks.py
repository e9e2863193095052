"""The open tasks of this process, and the timer that keeps their deliveries alive.

JetStream gets a progress message for each task every second, so that its acknowledgement wait (4 s or more)
never expires during work; the engine gets a heartbeat after 5 s of work and then every 3 s. A redelivery of a
held task replaces the delivery to acknowledge and starts nothing.
"""

import asyncio
from math import inf
from uuid import UUID

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pull_loop import Delivery, PullLoop
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import TaskHeartbeat
from visapi_common.contracts.task_messages import TaskMessage

_TICK_S = 0.5
_PROGRESS_S = 1.0
_HEARTBEAT_AFTER_S = 5.0
_HEARTBEAT_S = 3.0

_encode = msgspec.json.Encoder().encode
Key = tuple[UUID, str, int]


class OpenTask:
    """An open task and its latest delivery."""

    __slots__ = ("delivery", "heartbeat_due", "message", "progress_due", "since")

    def __init__(self, message: TaskMessage, delivery: Delivery, now: float) -> None:
        self.message = message
        self.delivery = delivery
        self.since = now
        self.progress_due = now + _PROGRESS_S
        self.heartbeat_due = inf

    def begins(self) -> None:
        """The task starts: heartbeats are sent from now on."""
        self.heartbeat_due = asyncio.get_running_loop().time() + _HEARTBEAT_AFTER_S


class OpenTasks:
    """All open tasks of a process, by run, path and attempt."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: dict[Key, OpenTask] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, message: TaskMessage, delivery: Delivery) -> OpenTask | None:
        """Hold a task; `None` when it is held already, and the new delivery is acknowledged in place of the
        old one.
        """
        key = (message.run, message.path, message.attempt)
        held = self._open.get(key)
        if held is not None:
            held.delivery = delivery
            return None
        task = OpenTask(message, delivery, asyncio.get_running_loop().time())
        self._open[key] = task
        self._idle.clear()
        return task

    def end(self, task: OpenTask) -> None:
        message = task.message
        del self._open[(message.run, message.path, message.attempt)]
        if not self._open:
            self._idle.set()

    async def drained(self) -> None:
        """Wait until nothing is held."""
        await self._idle.wait()

    async def keep_alive(self, pulls: list[PullLoop]) -> None:
        """Send progress and heartbeats until cancelled; deliveries that wait in `pulls` included."""
        loop = asyncio.get_running_loop()
        touch_due = loop.time() + _PROGRESS_S
        while True:
            await asyncio.sleep(_TICK_S)
            now = loop.time()
            for task in self._open.values():
                self._keep(task, now)
            if now >= touch_due:
                touch_due = now + _PROGRESS_S
                for pull in pulls:
                    pull.touch()

    def _keep(self, task: OpenTask, now: float) -> None:
        if now >= task.progress_due:
            task.progress_due = now + _PROGRESS_S
            task.delivery.in_progress()
        if now >= task.heartbeat_due:
            task.heartbeat_due = now + _HEARTBEAT_S
            message = task.message
            beat = TaskHeartbeat(message.run, message.path, message.attempt, message.token)
            self._bus.publish_quietly(subjects.heartbeat(message.run), _encode(beat))
