"""The engine's part of a batch: each run's events, its answer, and the step that a transaction writes."""

from collections.abc import AsyncGenerator
from uuid import UUID

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.core.errors import ProblemError
from visapi_common.core.secret_handles import run_key
from visapi_engine.machine.commands import CallTask
from visapi_engine.machine.events import EngineFailed, Event
from visapi_engine.process.protocol import Work
from visapi_orchestrator.kernel.rules.messages import ChildLimit, RunMessages
from visapi_orchestrator.transitions.collecting import CollectingEngine
from visapi_orchestrator.transitions.dependencies import Bounds, RunKeys, TransitionDependencies
from visapi_orchestrator.transitions.related_writes import RelatedWritesBuilder
from visapi_orchestrator.transitions.rules.child_limits import lineage_of
from visapi_orchestrator.transitions.rules.growth import overgrown
from visapi_orchestrator.transitions.rules.machine_events import events_of
from visapi_orchestrator.transitions.rules.outgoing_tasks import task_of
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step, unchanged

_encode = msgspec.json.Encoder().encode


class Folding:
    """Makes steps of runs' messages. Writes nothing."""

    def __init__(self, dependencies: TransitionDependencies, keys: RunKeys, bounds: Bounds) -> None:
        self._engine = CollectingEngine(dependencies.engine, dependencies.ledger, bounds.collections_max)
        self._related = RelatedWritesBuilder(dependencies.ledger, dependencies.values)
        self._values = dependencies.values
        self._sends_at_once = dependencies.sends_at_once
        self._clock = dependencies.clock
        self._metrics = dependencies.metrics
        self._spans = dependencies.spans
        self._keys = keys
        self._bounds = bounds

    async def steps(
        self,
        batch: list[RunMessages],
        known: dict[UUID, RunSnapshot],
        put_off: dict[UUID, tuple[str, RunMessages]],
        *,
        apart: bool,
    ) -> AsyncGenerator[Step, None]:
        """The steps of runs that are answered; the others are `put_off`."""
        works: dict[UUID, tuple[RunMessages, RunSnapshot, list[Event]]] = {}
        now_ms = self._clock.now_ms()
        for messages in batch:
            snapshot = known[messages.run]
            works[snapshot.run] = (messages, snapshot, await self._events(messages, snapshot, now_ms))
        asked = [
            self._work(snapshot, events, messages.child_limit)
            for messages, snapshot, events in works.values()
            if events
        ]
        for work in works.values():
            if not work[2]:
                yield unchanged(*work)
        put_off.update((work.run, (work.tenant, works[work.run][0])) for work in asked)
        with self._metrics.advance_seconds.time():
            async for answer in self._engine.advance(asked, apart=apart):
                put_off.pop(answer.run)
                yield await self._prepare(Step(*works[answer.run], answer))

    async def ended(self, messages: RunMessages, snapshot: RunSnapshot, error: WorkflowError) -> list[Step]:
        """The step of a run that faults with an error of the orchestrator instead of the engine's answer."""
        event = EngineFailed(now_ms=self._clock.now_ms(), run=str(snapshot.run), error=_encode(error))
        answers = self._engine.advance([self._work(snapshot, [event])], apart=True)
        return [await self._prepare(Step(messages, snapshot, [event], answer)) async for answer in answers]

    def _work(
        self, snapshot: RunSnapshot, events: list[Event], child_limit: ChildLimit | None = None
    ) -> Work:
        return Work(
            run=snapshot.run,
            tenant=snapshot.tenant,
            program=snapshot.program,
            seq=snapshot.seq,
            events=events,
            state=snapshot.state,
            handle_key=run_key(self._keys.handle(snapshot).secret, snapshot.run),
            lineage=lineage_of(snapshot, self._bounds.depth_max, child_limit),
        )

    async def _events(self, messages: RunMessages, snapshot: RunSnapshot, now_ms: int) -> list[Event]:
        values = (
            snapshot.unreadable.error
            if snapshot.unreadable
            else overgrown(snapshot, self._bounds.history_max)
        )
        values = values or await self._values.resolve(messages, snapshot)
        if isinstance(values, WorkflowError):
            return [EngineFailed(now_ms=now_ms, run=str(snapshot.run), error=_encode(values))]
        return events_of(messages, snapshot, values, now_ms)

    async def _prepare(self, step: Step) -> Step:
        """Make the payload columns and the tasks' messages, under the span of this transition."""
        snapshot, answer = step.snapshot, step.answer
        span = self._spans.open("transition", kind="consumer", parent=snapshot.trace)
        span.set("visapi.run", snapshot.run)
        span.set("visapi.status", answer.status)
        step.trace = span.traceparent if snapshot.trace is not None else None
        try:
            step.output = await self._values.column(answer.output, snapshot)
            for command in answer.commands:
                if isinstance(command, CallTask):
                    arguments = await self._values.travelling(command.arguments, snapshot)
                    task = task_of(command, arguments, snapshot, self._keys, step.trace)
                    held = not self._sends_at_once(task.function)
                    step.tasks.append(msgspec.structs.replace(task, held=held) if held else task)
            step.related = await self._related.build(step)
        except ProblemError as problem:
            step.refused = problem.detail
        finally:
            span.end()
        return step
