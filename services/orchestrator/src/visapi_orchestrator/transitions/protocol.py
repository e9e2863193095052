"""One batch through the delivery protocol: load, advance, write, publish, acknowledge.

The order is the protocol (DESIGN sections 2 and 3):

1. A trigger describes its run completely, so a new run is not read, nor is one whose newest tasks,
   issued by this process, are answered (`rules.recent`); the compare-and-set on the revision tells
   whether that was right. All other runs are read together, after their messages arrived:
   a state read then has seen everything that caused the messages, so what it calls stale is stale.
2. The engine folds each run's events into one answer; its large values go to the artifact store.
3. One transaction writes all runs whose revision has not moved; slow runs follow in one of their own
   (`portions`). The others are folded again on a new snapshot, up to `ROUNDS` times, then handed back.
4. Only then tasks are published, and only then messages are acknowledged. A lost commit answer is
   settled by reading: a revision one higher with our very state means that our commit happened.

A fault of the world hands messages back and leaves rows to be claimed again; it never acknowledges.
A batch that PostgreSQL refuses, or that fails in any other way for its contents, is halved until the run is
found whose contents they are: that run faults, or is set aside. What the operator has to mend faults no run.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from uuid import UUID

import msgspec

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.core.errors import ContentFault, PermanentFault, ProblemError, UnknownFault
from visapi_common.core.failures import sort_of, told
from visapi_common.core.secret_handles import run_key
from visapi_common.telemetry.logs import get_logger
from visapi_engine.machine.commands import CallTask
from visapi_engine.machine.events import EngineFailed, Event
from visapi_engine.process.protocol import Work
from visapi_orchestrator.kernel.receipts import acknowledge, hand_back
from visapi_orchestrator.kernel.rules.messages import Said, Short
from visapi_orchestrator.transitions.broken_runs import BrokenRuns
from visapi_orchestrator.transitions.counting import count_steps
from visapi_orchestrator.transitions.dependencies import Bounds, Tools
from visapi_orchestrator.transitions.portions import Unsettled, portions
from visapi_orchestrator.transitions.related import Relations
from visapi_orchestrator.transitions.rules.flow import rejection
from visapi_orchestrator.transitions.rules.growth import overgrown
from visapi_orchestrator.transitions.rules.kinship import lineage_of
from visapi_orchestrator.transitions.rules.machine_events import events_of
from visapi_orchestrator.transitions.rules.outgoing_tasks import task_of
from visapi_orchestrator.transitions.rules.plan import plan
from visapi_orchestrator.transitions.rules.recent import RecentRuns
from visapi_orchestrator.transitions.rules.snapshot import Facts, facts_of
from visapi_orchestrator.transitions.rules.step import Step, silent
from visapi_orchestrator.transitions.wake_ups import heed, leave_out

ROUNDS = 5
_encode = msgspec.json.Encoder().encode

Batch = list[Said]


def _nobody(_settled: Sequence[Said]) -> None:
    """Nobody waits for these runs."""


class Transitions:
    """Advances batches. Several may be under way at once, but a run is in one of them at a time."""

    def __init__(
        self, tools: Tools, *, secret: bytes, handle_secret: bytes, record_inputs: bool, bounds: Bounds
    ) -> None:
        self._ledger = tools.ledger
        self._engine = tools.engine
        self._values = tools.values
        self._large = tools.large
        self._outbox = tools.outbox
        self._admit = tools.admit
        self._clock = tools.clock
        self._metrics = tools.metrics
        self._spans = tools.spans
        self._tools = tools
        self.apart = tools.apart
        self._broken = BrokenRuns(tools, self._end)
        self._secret = secret
        self._handle_secret = handle_secret
        self._record = record_inputs
        self._bounds = bounds
        self._recent = RecentRuns()
        self._relations = Relations(tools.ledger, tools.values)
        self._log = get_logger("transitions")

    async def advance(
        self, batch: Batch, free: Callable[[Sequence[Said]], None] = _nobody, *, apart: bool = False
    ) -> bool:
        """Advance every run of the batch; each stands in it once. `free` hears of runs settled before others.
        Runs that others must not wait behind are put off, unless they are advanced `apart`.

        Answers whether the world worked: after False the caller waits a little.
        """
        pending, unsettled = batch, Unsettled(batch, free)
        try:
            for round_number in range(ROUNDS):
                if not pending:
                    return True
                pending = await self._round(pending, unsettled, apart=apart, unread_yet=round_number == 0)
        except Exception as error:  # noqa: BLE001 (whatever a run provokes is sorted by one rule)
            pending = unsettled.of(pending)
            if pending and sort_of(error) == "contents":
                return await self._halved(pending, error, apart=apart)
            self._broken.note(error)
            hand_back(pending)
            return False
        if pending:
            self._log.warning("runs_contended", runs=len(pending))
        hand_back(pending)
        return True

    async def _halved(self, batch: Batch, error: Exception, *, apart: bool) -> bool:
        """A run's contents made the batch fail: halve it until that run is found."""
        if len(batch) > 1:
            half = len(batch) // 2
            first = await self.advance(batch[:half], apart=apart)
            return await self.advance(batch[half:], apart=apart) and first
        return await self._broken.settle(batch[0], error)

    async def _end(self, said: Said, error: Exception) -> None:
        """Fault a run that cannot go on."""
        known = await self._facts([said], unread_yet=False)
        if said.run not in known:
            await self._dismiss([said])
            return
        failure = standard_error("runtime", 500, title="Not advanceable", detail=told(error))
        hand_back(await self._end_with(said, known[said.run], failure))

    async def _round(self, batch: Batch, unsettled: Unsettled, *, apart: bool, unread_yet: bool) -> Batch:
        """Fold once, and write what is folded before what takes long; return what must be folded again."""
        known = await self._facts(batch, unread_yet=unread_yet)
        absent = [said for said in batch if said.run not in known]
        if absent:
            await self._dismiss(absent)
            unsettled.settle(absent, [])
        again: Batch = []
        put_off: dict[UUID, tuple[str, Said]] = {}
        folded = self._fold([said for said in batch if said.run in known], known, put_off, apart=apart)
        async with aclosing(portions(folded, alone=len(known) == 1)) as parts:
            async for steps in parts:
                left = await self._write_changes(steps)
                unsettled.settle([step.said for step in steps], left)
                again += left
        if put_off:
            self.apart.put(list(put_off.values()))
            unsettled.settle([said for _, said in put_off.values()], [])
        return again

    async def _write_changes(self, steps: list[Step]) -> Batch:
        """Write the steps that change anything; return what must be folded again."""
        to_write: list[Step] = []
        for step in steps:
            if step.changes or not step.facts.trusted:
                to_write.append(step)
            else:
                self._settle_unchanged(step)
        return await self._store(to_write) if to_write else []

    async def _facts(self, batch: Batch, *, unread_yet: bool) -> dict[UUID, Facts]:
        known: dict[UUID, Facts] = {}
        unread: list[Said] = []
        for said in batch:
            recent = self._recent.facts_for(said)
            if not unread_yet:
                unread.append(said)
            elif recent is not None:
                known[said.run] = recent
            elif said.trigger is not None and not said.look and not said.results:
                known[said.run] = facts_of(said.trigger)
            else:
                unread.append(said)
        if unread:
            loaded = await self._ledger.load([said.run for said in unread])
            if loaded.now_ms is not None:
                self._clock.heard(loaded.now_ms)
            known.update(loaded.facts)
            known.update(await self._revived([said for said in unread if said.run not in known]))
            known = await self._large.restore(known)
        return known

    async def _revived(self, absent: Batch) -> dict[UUID, Facts]:
        """Ended runs that somebody asked to take up again are live from now on."""
        asked = [said.run for said in absent if said.look]
        if not asked:
            return {}
        revived = await self._ledger.revive(asked)
        if revived.told:
            self._tools.woken(revived.told)
        return (await self._ledger.load(revived.live)).facts if revived.live else {}

    async def _dismiss(self, absent: Batch) -> None:
        """Runs that are not live: they ended, or were never committed. Nothing is left to say to them."""
        claimed = [said.run for said in absent if said.timers or said.look]
        if claimed:
            await self._ledger.forget(claimed)
        self._metrics.messages_stale.labels("ended").inc(sum(said.messages for said in absent))
        acknowledge(absent)

    async def _fold(
        self, batch: Batch, known: dict[UUID, Facts], put_off: dict[UUID, tuple[str, Said]], *, apart: bool
    ) -> AsyncGenerator[Step, None]:
        """The steps of runs that are answered; the others are `put_off`."""
        works: dict[UUID, tuple[Said, Facts, list[Event]]] = {}
        now_ms = self._clock.now_ms()
        for said in batch:
            facts = known[said.run]
            works[facts.run] = (said, facts, await self._events(said, facts, now_ms))
        asked = [self._work(facts, events, said.short) for said, facts, events in works.values() if events]
        for work in works.values():
            if not work[2]:
                yield silent(*work)
        put_off.update((work.run, (work.tenant, works[work.run][0])) for work in asked)
        with self._metrics.advance_seconds.time():
            async for answer in self._engine.advance(asked, apart=apart):
                put_off.pop(answer.run)
                yield await self._prepare(Step(*works[answer.run], answer))

    def _work(self, facts: Facts, events: list[Event], short: Short | None = None) -> Work:
        return Work(
            run=facts.run,
            tenant=facts.tenant,
            program=facts.program,
            seq=facts.seq,
            events=events,
            state=facts.state,
            handle_key=run_key(self._handle_secret, facts.run),
            lineage=lineage_of(facts, self._bounds.depth_max, short),
        )

    async def _events(self, said: Said, facts: Facts, now_ms: int) -> list[Event]:
        values = facts.lost.error if facts.lost else overgrown(facts, self._bounds.history_max)
        values = values or await self._values.resolve(said, facts)
        if isinstance(values, WorkflowError):
            return [EngineFailed(now_ms=now_ms, run=str(facts.run), error=_encode(values))]
        return events_of(said, facts, values, now_ms)

    async def _prepare(self, step: Step) -> Step:
        """Make the payload columns and the tasks' messages, under the span of this transition."""
        facts, answer = step.facts, step.answer
        span = self._spans.open("transition", kind="consumer", parent=facts.trace)
        span.set("visapi.run", facts.run)
        span.set("visapi.status", answer.status)
        step.trace = span.traceparent if facts.trace is not None else None
        try:
            step.output = await self._values.column(answer.output, facts)
            for command in answer.commands:
                if isinstance(command, CallTask):
                    arguments = await self._values.travelling(command.arguments, facts)
                    task = task_of(command, arguments, facts, self._secret, step.trace)
                    held = not self._admit(task.function, facts.tenant)
                    step.tasks.append(msgspec.structs.replace(task, held=held) if held else task)
            step.family = await self._relations.of(step)
        except ProblemError as problem:
            step.refused = problem.detail
        finally:
            span.end()
        return step

    async def _store(self, steps: list[Step]) -> Batch:
        """Store large values, then write; return what must be folded again."""
        await self._large.store(steps)
        storable = [step for step in steps if step.refused is None]
        again = await self._write(storable) if storable else []
        for step in steps:
            if step.refused is not None:
                again += await self._fault_run(step, step.refused)
        return again

    async def _write(self, steps: list[Step]) -> Batch:
        """Write steps in one transaction; return what must be folded again."""
        rows = plan(steps, record=self._record)
        try:
            with self._metrics.commit_seconds.time():
                written = await self._ledger.write(rows)
        except UnknownFault as fault:
            return await self._settle_unknown(steps, fault)
        except PermanentFault as fault:
            half = len(steps) // 2
            if not half:
                return await self._fault_run(steps[0], str(fault))
            return [*await self._write(steps[:half]), *await self._write(steps[half:])]
        self._outbox.dead_letters(written.letters, steps)
        heed(self._tools, rows, written.verdict)
        leave_out(self._metrics, steps, written.kin)
        again: Batch = []
        for step in steps:
            age_s = written.done.get(step.facts.run)
            if age_s is not None:
                self._recent.written(step)
                self._settle(step, age_s)
            elif step.facts.run in written.verdict.waiting:
                # It stands in line; whoever makes room for it wakes it.
                acknowledge([step.said])
            elif step.facts.run in written.verdict.rejected:
                again += await self._end_with(step.said, step.facts, rejection(step.facts))
            elif step.facts.run in written.kin.refused:
                # Folded again with what it may start; a run whose root is cancelled finds that in its inbox.
                step.said.short = written.kin.short.get(step.facts.run)
                again.append(step.said)
            else:
                self._metrics.cas_conflicts.inc()
                again.append(step.said)
        done = (step for step in steps if step.facts.run in written.done)
        count_steps(self._metrics, done, history_max=self._bounds.history_max)
        return again

    async def _settle_unknown(self, steps: list[Step], fault: UnknownFault) -> Batch:
        """The commit's answer was lost: what the ledger says now decides."""
        self._log.warning("commit_unknown", runs=len(steps), detail=str(fault))
        now = await self._ledger.settled([step.facts.run for step in steps])
        again: Batch = []
        for step in steps:
            stands = now.get(step.facts.run)
            ours = stands is not None and stands.revision == step.facts.revision + 1
            wrote = None if step.answer.ended else step.stored_state
            if ours and stands is not None and stands.state == wrote:
                self._settle(step, 0.0)
            else:
                again.append(step.said)
        return again

    async def _fault_run(self, step: Step, detail: str) -> Batch:
        """A run whose row is refused cannot go on: it faults, with the reason."""
        if any(isinstance(event, EngineFailed) for event in step.events):
            raise ContentFault(detail)
        error = standard_error("runtime", 500, title="Not storable", detail=detail)
        return await self._end_with(step.said, step.facts, error)

    async def _end_with(self, said: Said, facts: Facts, error: WorkflowError) -> Batch:
        """End a run with an error of ours, in place of what was to become of it."""
        event = EngineFailed(now_ms=self._clock.now_ms(), run=str(facts.run), error=_encode(error))
        again: Batch = []
        async for answer in self._engine.advance([self._work(facts, [event])], apart=True):
            again += await self._store([await self._prepare(Step(said, facts, [event], answer))])
        return again

    def _settle(self, step: Step, age_s: float) -> None:
        self._outbox.announce(step)
        acknowledge([step.said])
        answer = step.answer
        if answer.ended:
            self._metrics.run_seconds.labels(answer.status).observe(age_s)
        if answer.noted:
            self._metrics.messages_stale.labels("duplicate").inc(len(answer.noted))

    def _settle_unchanged(self, step: Step) -> None:
        self._metrics.messages_stale.labels("duplicate").inc(step.said.messages)
        acknowledge([step.said])
