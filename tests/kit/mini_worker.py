"""A worker in miniature that speaks the wire contracts, and what its tests say about tasks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from kit.waiting import eventually
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pull_loop import Delivery, PullLoop
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Outcome, TaskResult
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.task_messages import FunctionSpec, Registered, Registration, TaskMessage
from visapi_common.core.errors import Fault

TENANT = "default"
_encode = msgspec.json.encode

Answering = Callable[[TaskMessage], Awaitable[TaskResult | None] | TaskResult | None]


def completed(task: TaskMessage, output: Any = None) -> TaskResult:
    return TaskResult(
        task.run, task.path, task.attempt, task.token, Outcome.COMPLETED, inline(_encode(output))
    )


def faulted(task: TaskMessage, error: WorkflowError) -> TaskResult:
    return TaskResult(task.run, task.path, task.attempt, task.token, Outcome.FAULTED, error=error)


def uncertain(task: TaskMessage) -> TaskResult:
    return TaskResult(task.run, task.path, task.attempt, task.token, Outcome.UNCERTAIN)


class MiniWorker:
    """Pulls tasks of some functions and answers them; `seen` keeps every delivery.

    `owner` is the tenant whose functions they are, or `_` for the built-in ones.
    """

    def __init__(self, bus: Bus, functions: list[str], answer: Answering, owner: str = TENANT) -> None:
        self._bus = bus
        self._functions = functions
        self._answer = answer
        self._owner = owner
        self.seen: list[TaskMessage] = []
        self.at_once = 1000
        self._pulls: list[PullLoop] = []
        self._working: list[asyncio.Task[None]] = []

    async def run(self, group: asyncio.TaskGroup) -> None:
        consumers = await self._register()
        for name in self._functions:
            pull = PullLoop(self._bus, subjects.STREAM_TASKS, consumers[name], window=min(256, self.at_once))
            await pull.start()
            self._pulls.append(pull)
            self._working.append(group.create_task(self._pull(pull)))

        async def again() -> None:
            await self._register()

        self._bus.on_reconnect(again)

    async def _register(self) -> dict[str, str]:
        specs = [FunctionSpec(name, concurrency=self.at_once) for name in self._functions]
        return await register(self._bus, specs, self._owner)

    async def _pull(self, pull: PullLoop) -> None:
        async with asyncio.TaskGroup() as working:
            while taken := await pull.take(128):
                _ = [working.create_task(self._work(delivery)) for delivery in taken]

    async def _work(self, delivery: Delivery) -> None:
        task = msgspec.json.decode(delivery.data, type=TaskMessage)
        self.seen.append(task)
        answer = self._answer(task)
        if isinstance(answer, Awaitable):
            working = asyncio.create_task(_report(delivery))
            try:
                result = await answer
            finally:
                working.cancel()
        else:
            result = answer
        if result is not None:
            await publish(self._bus, task.reply, _encode(result))
            delivery.ack()

    async def stop(self) -> None:
        """End at once: an answer that a failed test keeps waiting would wait for ever."""
        for pull in self._pulls:
            await pull.stop()
        for task in self._working:
            task.cancel()


async def _report(delivery: Delivery) -> None:
    """As workers do, so that a task that takes long is not delivered again."""
    while True:
        await asyncio.sleep(1)
        delivery.in_progress()


async def publish(bus: Bus, subject: str, body: bytes) -> None:
    async def stored() -> bool:
        try:
            await bus.publish_acked(subject, body)
        except Fault:
            return False
        return True

    await eventually(stored)


async def register(bus: Bus, functions: list[FunctionSpec], tenant: str = TENANT) -> dict[str, str]:
    body = _encode(Registration(tenant, "mini", functions))

    async def answered() -> Registered | None:
        try:
            message = await bus.request(subjects.register(tenant), body, 1.0)
        except Fault:
            return None
        return msgspec.json.decode(message.data, type=Registered)

    registered = await eventually(answered)
    assert registered.error is None, registered.error
    return registered.consumers
