"""One batch through the delivery protocol: load, advance, write, publish, acknowledge.

The order of the steps is the delivery protocol (docs/explanation/delivery-protocol.md):

1. A trigger describes its run completely, so a new run is not read, nor is one whose newest tasks, issued by
   this process, are answered (`rules.recent`); the compare-and-set on the revision verifies the assumption.
   All other runs are read together, after their messages arrived: a state read then includes everything that
   caused the messages, so a message that is stale for it is stale.
2. The engine applies each run's events one after another and gives one answer; its large values go to the
   artifact store.
3. One transaction writes all runs whose revision has not moved; slow runs follow in one of their own
   (`portions`). The others are advanced again from a new snapshot, up to `ROUNDS` times, then handed back.
4. Only then tasks are published, and only then messages are acknowledged. A lost commit answer is settled by
   reading: a revision one higher with our very state means that our commit happened.

A fault (PostgreSQL, NATS, the artifact store) hands messages back and leaves rows to be claimed again; it
never acknowledges. A batch that PostgreSQL refuses, or that fails because of its contents, is halved until
the run that causes it is found: that run faults, or is set aside. What the operator has to mend faults none.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from uuid import UUID

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.core.errors import ContentFault, PermanentFault, UnknownFault
from visapi_common.core.failures import failure_kind, failure_text
from visapi_common.telemetry.instruments import exemplar_of
from visapi_common.telemetry.logs import get_logger
from visapi_engine.machine.events import EngineFailed
from visapi_orchestrator.kernel.receipts import acknowledge, hand_back
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.after_commit import announce_commit, report_skipped_children
from visapi_orchestrator.transitions.broken_runs import BrokenRuns
from visapi_orchestrator.transitions.counting import count_steps
from visapi_orchestrator.transitions.dependencies import Bounds, RunKeys, TransitionDependencies
from visapi_orchestrator.transitions.folding import Folding
from visapi_orchestrator.transitions.portions import PendingRuns, portions, with_pauses
from visapi_orchestrator.transitions.rules.flow import rejection
from visapi_orchestrator.transitions.rules.plan import plan
from visapi_orchestrator.transitions.rules.recent import RecentRuns
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step
from visapi_orchestrator.transitions.snapshots import Snapshots

ROUNDS = 5

Batch = list[RunMessages]


def _nobody(_settled: Sequence[RunMessages]) -> None:
    """The default of `free`: nothing waits for these runs."""


class Transitions:
    """Advances batches. Several may be under way at once, but a run is in one of them at a time."""

    def __init__(
        self,
        dependencies: TransitionDependencies,
        *,
        keys: RunKeys,
        record_inputs: bool,
        bounds: Bounds,
    ) -> None:
        self._ledger = dependencies.ledger
        self._large = dependencies.large
        self._outbox = dependencies.outbox
        self._metrics = dependencies.metrics
        # Named here, so that the page of metrics shows 0 before the first conflict.
        self._conflicts = dependencies.metrics.cas_conflicts
        self._dependencies = dependencies
        self.slow_runs = dependencies.slow_runs
        self.usage = dependencies.usage
        self._folding = Folding(dependencies, keys, bounds)
        self._broken = BrokenRuns(dependencies, self._end)
        self._record = record_inputs
        self._history_max = bounds.history_max
        self._recent = RecentRuns()
        self._snapshots = Snapshots(dependencies, self._recent, keys, self._broken.note)
        self._log = get_logger("transitions")

    async def advance(
        self, batch: Batch, free: Callable[[Sequence[RunMessages]], None] = _nobody, *, apart: bool = False
    ) -> bool:
        """Advance every run of the batch, in which each is once. `free` is called with runs settled before
        others. Runs that take long are put off, unless they are advanced `apart`.

        False after a fault: the caller pauses before its next batch.
        """
        pending, unsettled = batch, PendingRuns(batch, free)
        try:
            for round_number in range(ROUNDS):
                if not pending:
                    return True
                pending = await self._round(pending, unsettled, apart=apart, unread_yet=round_number == 0)
        except Exception as error:  # noqa: BLE001 (whatever a run provokes is sorted by one rule)
            pending = unsettled.of(pending)
            if pending and failure_kind(error) == "contents":
                return await self._halved(pending, error, apart=apart)
            self._broken.note(error)
            hand_back(pending)
            return False
        if pending:
            self._log.warning("runs_contended", runs=len(pending))
        hand_back(pending)
        return True

    async def _halved(self, batch: Batch, error: Exception, *, apart: bool) -> bool:
        """Halve the batch until the run whose contents are refused is alone."""
        if len(batch) > 1:
            half = len(batch) // 2
            first = await self.advance(batch[:half], apart=apart)
            return await self.advance(batch[half:], apart=apart) and first
        return await self._broken.settle(batch[0], error)

    async def _end(self, messages: RunMessages, error: Exception) -> None:
        """Fault a run that cannot continue."""
        known = await self._snapshots.load([messages], unread_yet=False)
        if messages.run not in known:
            await self._dismiss([messages])
            return
        failure = standard_error("runtime", 500, title="Not advanceable", detail=failure_text(error))
        hand_back(await self._end_with(messages, known[messages.run], failure))

    async def _round(self, batch: Batch, unsettled: PendingRuns, *, apart: bool, unread_yet: bool) -> Batch:
        """Advance once; commit finished runs before slow ones; return the runs to advance again."""
        known = await self._snapshots.load(batch, unread_yet=unread_yet)
        self.usage.note(snapshot.tenant for snapshot in known.values())
        absent = [messages for messages in batch if messages.run not in known]
        if absent:
            await self._dismiss(absent)
            unsettled.settle(absent, [])
        unsettled.settle(await self._snapshots.leave_others(batch, known), [])
        again: Batch = []
        put_off: dict[UUID, tuple[str, RunMessages]] = {}
        folded = self._folding.steps(
            [messages for messages in batch if messages.run in known], known, put_off, apart=apart
        )
        async with aclosing(portions(folded, alone=len(known) == 1)) as parts:
            async for steps in parts:
                left = await self._write_changes(steps)
                unsettled.settle([step.messages for step in steps], left)
                again += left
        if put_off:
            self.slow_runs.put(list(put_off.values()))
            unsettled.settle([messages for _, messages in put_off.values()], [])
        return again

    async def _write_changes(self, steps: list[Step]) -> Batch:
        """Write the steps that change anything; return the runs to advance again."""
        to_write: list[Step] = []
        for step in steps:
            if step.changes or not step.snapshot.trusted:
                to_write.append(step)
            else:
                self._settle_unchanged(step)
        return await self._store(to_write) if to_write else []

    async def _dismiss(self, absent: Batch) -> None:
        """Runs that are not live: they ended, or were never committed. Their messages are dropped."""
        claimed = [messages.run for messages in absent if messages.timers or messages.has_waiting_rows]
        if claimed:
            await self._ledger.forget(claimed)
        self._metrics.messages_stale.labels("ended").inc(sum(messages.count for messages in absent))
        acknowledge(absent)

    async def _store(self, steps: list[Step]) -> Batch:
        """Store large values, then write; return the runs to advance again."""
        await self._large.store(steps)
        storable = [step for step in steps if step.refused is None]
        again = await self._write(storable) if storable else []
        for step in steps:
            if step.refused is not None:
                again += await self._fault_run(step, step.refused)
        return again

    async def _write(self, steps: list[Step]) -> Batch:
        """Write steps in one transaction; return the runs to advance again."""
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
        self._outbox.dead_letters(written.dead_letters, steps)
        announce_commit(self._dependencies, rows, written.verdict)
        report_skipped_children(self._metrics, steps, written.child_verdict)
        again: Batch = []
        async for step in with_pauses(steps):
            age_s = written.done.get(step.snapshot.run)
            if age_s is not None:
                self._recent.written(step)
                self._settle(step, age_s)
            elif step.snapshot.run in written.verdict.waiting:
                # The run waits under flow control; the run that releases a slot wakes it.
                acknowledge([step.messages])
            elif step.snapshot.run in written.verdict.rejected:
                again += await self._end_with(step.messages, step.snapshot, rejection(step.snapshot))
            elif step.snapshot.run in written.child_verdict.refused:
                # Advanced again with the number of runs it may start; a run whose root is cancelled finds
                # that in its inbox.
                step.messages.child_limit = written.child_verdict.limited.get(step.snapshot.run)
                again.append(step.messages)
            else:
                self._conflicts.inc()
                again.append(step.messages)
        done = (step for step in steps if step.snapshot.run in written.done)
        count_steps(self._metrics, done, history_max=self._history_max)
        return again

    async def _settle_unknown(self, steps: list[Step], fault: UnknownFault) -> Batch:
        """The answer to COMMIT was lost: the ledger's revision and state decide."""
        self._log.warning("commit_unknown", runs=len(steps), detail=str(fault))
        now = await self._ledger.settled([step.snapshot.run for step in steps])
        again: Batch = []
        for step in steps:
            stands = now.get(step.snapshot.run)
            ours = stands is not None and stands.revision == step.snapshot.revision + 1
            wrote = None if step.answer.ended else step.stored_state
            if ours and stands is not None and stands.state == wrote:
                self._settle(step, 0.0)
            else:
                again.append(step.messages)
        return again

    async def _fault_run(self, step: Step, detail: str) -> Batch:
        """Fault a run whose row PostgreSQL refuses, with the reason."""
        if any(isinstance(event, EngineFailed) for event in step.events):
            raise ContentFault(detail)
        error = standard_error("runtime", 500, title="Not storable", detail=detail)
        return await self._end_with(step.messages, step.snapshot, error)

    async def _end_with(self, messages: RunMessages, snapshot: RunSnapshot, error: WorkflowError) -> Batch:
        """Fault a run with an error of the orchestrator instead of the engine's answer."""
        again: Batch = []
        for step in await self._folding.ended(messages, snapshot, error):
            again += await self._store([step])
        return again

    def _settle(self, step: Step, age_s: float) -> None:
        self._outbox.announce(step)
        acknowledge([step.messages])
        answer = step.answer
        if answer.ended:
            self._metrics.run_seconds.labels(answer.status).observe(age_s, exemplar_of(step.snapshot.trace))
        if answer.noted:
            self._metrics.messages_stale.labels("duplicate").inc(len(answer.noted))

    def _settle_unchanged(self, step: Step) -> None:
        self._metrics.messages_stale.labels("duplicate").inc(step.messages.count)
        acknowledge([step.messages])
