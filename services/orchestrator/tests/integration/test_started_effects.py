"""Effects of class *once* that a worker of one's own began, on real servers with the worker kit: nothing happens twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest

from kit.ledger_rows import overwrite, plant
from kit.orchestration import TENANT, Stack, completed, eventually, faulted, output_of
from visapi_common.adapters.bus import Bus
from visapi_common.contracts.engine_messages import TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.ids import uuid7_from
from visapi_common.telemetry.setup import open_metrics
from visapi_common.telemetry.spans import Spans
from visapi_common.worker import Worker

SEND = "{call: acme.send, timeout: {after: {milliseconds: 1500}}, metadata: {visapi: {onUncertain: %s}}}"
DOCUMENT = """
do:
  - block:
      try: [{first: {call: acme.first, metadata: {visapi: {onRetry: repeat}}}}, {send: SEND}]
      catch: {errors: {with: {status: 408}}, retry: {DELAY, limit: {attempt: {count: 2}}}}
"""
DELAYS = {"at once": "", "after a delay": "delay: {milliseconds: 20}"}


def document(*, delay: str = "", on_uncertain: str = "hold") -> str:
    text = DOCUMENT.replace("SEND", SEND % on_uncertain)
    return text.replace("DELAY", delay) if delay else text.replace("DELAY, ", "")


class Sender:
    """A worker of one's own whose first call never ends; it says what was called."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self._never = asyncio.Event()

    async def send(self, _value: Any, context: Any) -> str:
        self.calls.append(context.attempt)
        if len(self.calls) == 1:
            await self._never.wait()
        return "sent"


@pytest.fixture
async def sender(stack: Stack) -> AsyncIterator[Sender]:
    """Served by the kit, with the rights of a tenant's worker."""
    made, stopping, ready = Sender(), asyncio.Event(), asyncio.Event()
    worker = Worker("own")
    worker.function("acme.send", effect="once")(made.send)
    bus = await Bus.connect(stack.nats.url("worker"), "own")
    serving = asyncio.create_task(
        worker.serve(
            bus,
            tenant=TENANT,
            stopping=stopping,
            metrics=open_metrics(),
            spans=Spans(),
            ready=lambda _: ready.set(),
        )
    )
    yield made
    stopping.set()
    serving.cancel()
    await asyncio.wait([serving])
    await bus.close()


async def held(stack: Stack, run: UUID, attempt: int) -> Mapping[str, Any]:
    """The task of this attempt as somebody has to decide about it."""

    async def row() -> Mapping[str, Any] | None:
        return await stack.gateway.pool.fetchrow(
            "select t.* from tasks t join dead_letters l on l.run = t.run and l.path = t.path"
            " and l.attempt = t.attempt and l.reason = 'uncertain'"
            " where t.run = $1 and t.attempt = $2 and t.state = 'uncertain'",
            run,
            attempt,
        )

    return await eventually(row)


@pytest.mark.parametrize("delay", DELAYS.values(), ids=DELAYS)
async def test_an_effect_begun_before_its_timeout_is_held_when_its_block_is_retried(
    stack: Stack, sender: Sender, delay: str
):
    await stack.gateway.deploy("mail", document(delay=delay))
    async with stack.orchestrator():
        await stack.worker("acme.first")
        run = await stack.gateway.start("mail")
        row = await held(stack, run, 2)
        assert (row["function"], sender.calls) == ("acme.send", [1])
        assert await stack.gateway.count("started_effects", run) == 1
        await stack.gateway.tell(run, "resolve", path=row["path"], decision="retry")
        ended = await stack.gateway.ended(run)
    assert (ended["status"], output_of(ended), sender.calls) == ("completed", "sent", [1, 3])
    assert await stack.gateway.count("started_effects", run) == 0


async def test_after_a_restore_an_effect_of_a_run_of_before_is_held_and_of_a_run_of_after_is_begun(
    stack: Stack, sender: Sender
):
    """What the run did between the restore point and the restore is not known: perhaps the effect happened."""
    sender.calls.append(0)
    await stack.gateway.deploy("mail", document())
    async with stack.orchestrator():
        await stack.worker("acme.first")
        soon = uuid7_from(time.time_ns() // 1_000_000 + 60_000, 0)
        await plant(stack.gateway.pool, "restores", before=soon)
        before = await stack.gateway.start("mail")
        row = await held(stack, before, 1)
        assert sender.calls == [0]
        await stack.gateway.tell(before, "resolve", path=row["path"], decision="retry")
        assert (await stack.gateway.ended(before))["status"] == "completed"
        await overwrite(stack.gateway.pool, "restores", {}, before=uuid7_from(0, 0))
        after = await stack.gateway.start("mail")
        assert (await stack.gateway.ended(after))["status"] == "completed"
    assert len(sender.calls) == 3


@pytest.mark.parametrize("delay", DELAYS.values(), ids=DELAYS)
async def test_an_effect_that_may_happen_twice_is_begun_again(stack: Stack, sender: Sender, delay: str):
    await stack.gateway.deploy("mail", document(delay=delay, on_uncertain="retry"))
    async with stack.orchestrator():
        await stack.worker("acme.first")
        run = await stack.gateway.start("mail")
        ended = await stack.gateway.ended(run)
    assert (ended["status"], output_of(ended), sender.calls) == ("completed", "sent", [1, 2])
    assert await stack.gateway.count("started_effects", run) == 0


async def test_a_run_that_ends_and_is_taken_up_again_remembers_what_was_begun(stack: Stack, sender: Sender):
    """The task before it fails in the second attempt; the retry of the run comes to the effect once more."""
    down = standard_error("communication", 503, title="Down")

    def first(task: TaskMessage) -> TaskResult:
        return faulted(task, down) if task.attempt == 2 else completed(task)

    await stack.gateway.deploy("mail", document())
    async with stack.orchestrator():
        await stack.worker("acme.first", answer=first)
        run = await stack.gateway.start("mail")
        assert (await stack.gateway.ended(run))["status"] == "faulted"
        assert await stack.gateway.count("started_effects", run) == 1
        await stack.gateway.tell(run, "retry", key="retry:9")
        row = await held(stack, run, 2)
    assert (row["function"], sender.calls) == ("acme.send", [1])
