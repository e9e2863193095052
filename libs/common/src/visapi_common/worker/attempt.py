"""One attempt at one task: claim, read, call with in-process retries, publish the result, acknowledge.

The result is stored (PubAck) before the task is acknowledged, so a crash between the two repeats the task
under the same effect key, and the orchestrator drops the second result.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog

from visapi_common.adapters.on_behalf import TENANT
from visapi_common.contracts.engine_messages import Outcome
from visapi_common.contracts.task_messages import ClaimVerdict, EffectClass
from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.telemetry.logs import get_logger
from visapi_common.telemetry.spans import Span, Spans
from visapi_common.worker import outcomes
from visapi_common.worker.answers import TaskResults
from visapi_common.worker.claims import Claims
from visapi_common.worker.context import TaskContext
from visapi_common.worker.faults import Postponed
from visapi_common.worker.functions import EncodedOutput, Function, UnsendableOutput
from visapi_common.worker.meter import DROPPED
from visapi_common.worker.open_tasks import OpenTask
from visapi_common.worker.outcomes import Failure
from visapi_common.worker.retries import RETRY_S, wait_s
from visapi_common.worker.threads import FreeThread


class _Start(NamedTuple):
    """A call that may start: its claim is granted, and a thread is free."""

    function: Function
    value: Any
    place: FreeThread | None
    context: TaskContext
    begun: bool
    """Whether an earlier delivery of this attempt may have begun it."""


class Attempts:
    """Runs tasks, each with one call of `work`. Shared by all functions of a process."""

    def __init__(self, answers: TaskResults, claims: Claims, spans: Spans, draw: Callable[[], float]) -> None:
        self._answers = answers
        self._claims = claims
        self._spans = spans
        self._draw = draw
        self._log = get_logger("worker")

    async def work(self, function: Function, task: OpenTask) -> str:
        """Run a task to its result. Returns the outcome's name, or `DROPPED`.

        Raises only `CancelledError`; then the delivery goes back to the server.
        """
        message = task.message
        TENANT.set(message.tenant)
        structlog.contextvars.bind_contextvars(run=str(message.run), task=message.path)
        try:
            with self._spans.span(f"task {message.function}", kind="consumer", parent=message.trace) as span:
                return await self._work(function, task, span)
        except asyncio.CancelledError:
            task.delivery.nak()
            raise

    async def _work(self, function: Function, task: OpenTask, span: Span) -> str:
        async with function.place() as place:
            return await self._work_in(place, function, task, span)

    async def _work_in(self, place: FreeThread | None, function: Function, task: OpenTask, span: Span) -> str:
        message = task.message
        started_at = datetime.now(UTC)
        task.begins()
        deliveries = task.delivery.deliveries
        # A claimed task never runs twice, however often it is delivered: the claim decides.
        if deliveries > outcomes.MAX_DELIVERIES and not function.claims:
            self._answers.dead_letter("poison", f"delivered {deliveries} times", message)
            poison = outcomes.poison(function.unanswered, deliveries)
            return await self._failed(task, poison, started_at, span)
        late = message.deadline is not None and message.deadline <= started_at
        if late and not function.claims:
            return await self._failed(
                task, outcomes.too_late(function.unanswered, begun=deliveries > 1), started_at, span
            )
        try:
            value = None if late else function.read(await self._answers.input_of(message))
        except Exception as error:  # noqa: BLE001 (nothing ran yet; the task needs a result after any failure)
            return await self._failed(task, self._failure(error, EffectClass.KEYED), started_at, span)
        if function.claims:
            verdict = await self._claims.ask(message)
            if verdict is ClaimVerdict.GONE:
                task.delivery.ack()
                return DROPPED
            if verdict is ClaimVerdict.UNCERTAIN:
                return await self._failed(task, outcomes.claimed_before(), started_at, span)
        begun = deliveries > 1 and not function.claims
        ended = await self._run(_Start(function, value, place, TaskContext(message, started_at), begun=begun))
        if isinstance(ended, Failure):
            return await self._failed(task, ended, started_at, span)
        return await self._completed(function, task, ended, started_at, span)

    async def _run(self, start: "_Start") -> EncodedOutput | Failure:
        while True:
            try:
                return await self._run_once(start)
            except Postponed as postponed:
                # Wait here and not at the server: a returned delivery would count towards poison.
                await asyncio.sleep(postponed.delay_s)

    async def _run_once(self, start: "_Start") -> EncodedOutput | Failure:
        """Run the function within its timeout. Raises `Postponed` when it did not start."""
        function, deadline = start.function, start.context.message.deadline
        limit_s = function.spec.timeout_s
        if deadline is not None:
            limit_s = min(limit_s, (deadline - datetime.now(UTC)).total_seconds())
        if limit_s <= 0:
            return outcomes.too_late(function.unanswered, begun=start.begun)
        scope = asyncio.timeout(limit_s)
        try:
            async with scope:
                return await self._call(start, asyncio.get_running_loop().time() + limit_s)
        except Postponed:
            raise
        except UnsendableOutput as unwritable:
            failure = self._failure(unwritable, EffectClass.KEYED)
            return outcomes.happened(failure, function.spec.effect)
        except Exception as error:  # noqa: BLE001 (a handler may raise anything; the task needs a result)
            if isinstance(error, TimeoutError) and scope.expired():
                return outcomes.timed_out(function.unanswered, limit_s)
            return self._failure(error, function.spec.effect)

    async def _call(self, start: "_Start", ends: float) -> EncodedOutput:
        function = start.function
        loop = asyncio.get_running_loop()
        give_up = min(loop.time() + RETRY_S, ends)
        tries = 0
        while True:
            try:
                return function.write(await function.call(start.value, start.context, start.place))
            except (TransientFault, UnknownFault) as fault:
                tries += 1
                delay_s = wait_s(fault, tries, self._draw())
                unclear = isinstance(fault, UnknownFault) and function.spec.effect is EffectClass.ONCE
                if unclear or loop.time() + delay_s >= give_up:
                    raise
            await asyncio.sleep(delay_s)

    def _failure(self, error: Exception, effect: EffectClass) -> Failure:
        failure = outcomes.failure_of(error, effect)
        if failure.bug:
            self._log.error("function_failed", exc_info=error)
        return failure

    async def _completed(
        self, function: Function, task: OpenTask, written: EncodedOutput, started_at: datetime, span: Span
    ) -> str:
        try:
            output = await self._answers.pack(task.message, written)
        except Exception as error:  # noqa: BLE001 (the effect has happened; the task needs a result)
            failure = outcomes.happened(self._failure(error, EffectClass.KEYED), function.unanswered)
            return await self._failed(task, failure, started_at, span)
        await self._answers.completed(task.message, output, started_at, read=written.read)
        task.delivery.ack()
        return Outcome.COMPLETED.value

    async def _failed(self, task: OpenTask, failure: Failure, started_at: datetime, span: Span) -> str:
        span.fail(failure.error.type.rpartition("/")[2])
        await self._answers.failed(task.message, failure, started_at)
        task.delivery.ack()
        return failure.outcome.value
