"""The ledger in memory: one compare-and-set for each run, and what depends on it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.rows import DoneRow, FakeRows, TaskRow, TimerRow
from visapi_common.contracts.engine_messages import InboxBody, InboxKind, WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.errors import PermanentFault, UnknownFault
from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.relations.inbox import InboxWrite
from visapi_orchestrator.transitions.relations.tasks import NewTask
from visapi_orchestrator.transitions.rules.child_limits import ChildVerdict
from visapi_orchestrator.transitions.rules.flow import FlowDecision
from visapi_orchestrator.transitions.rules.ledger_answers import (
    CurrentRun,
    HeldCollections,
    LoadedRuns,
    RevivedRuns,
    WriteResult,
    WrittenDeadLetter,
)
from visapi_orchestrator.transitions.rules.related_writes import Definition
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot, readable_rows
from visapi_orchestrator.transitions.rules.write_set import WriteSet


class FakeLedger:
    """See `transitions.ports.Ledger`. Flow control, families and approvals are decided by locks and counts of
    PostgreSQL: here a test says what is decided (`verdict`, `child_verdict`).
    """

    def __init__(self, rows: FakeRows) -> None:
        self._rows = rows
        self.faults = Planned()
        self.verdict = FlowDecision()
        self.child_verdict = ChildVerdict()
        self.refuses: Callable[[WriteSet], bool] = lambda _: False
        """What PostgreSQL refuses to store."""
        self.answers_lost = 0
        """How many of the next commits happen without an answer."""
        self.writes: list[WriteSet] = []

    async def load(self, runs: Collection[UUID]) -> LoadedRuns:
        self.faults.meet("load")
        found = {run: self._snapshot(run) for run in runs if run in self._rows.runs}
        return LoadedRuns(found, self._rows.now_ms if found else None)

    def _snapshot(self, run: UUID) -> RunSnapshot:
        stored = self._rows.runs[run].snapshot
        inbox = readable_rows(
            (key, entry.kind, entry.body) for (owner, key), entry in self._rows.inbox.items() if owner == run
        )
        return msgspec.structs.replace(stored, inbox=inbox, trusted=True)

    async def write(self, rows: WriteSet) -> WriteResult:
        self.faults.meet("write")
        if self.refuses(rows):
            raise PermanentFault("22P05: untranslatable character")
        verdict, child_verdict = self.verdict, self.child_verdict
        rows.drop(verdict.waiting | verdict.rejected | child_verdict.refused)
        self.writes.append(rows)
        done = self._runs_written(rows)
        named = {one.run for one in (*rows.live, *rows.ended)}
        rows.drop(frozenset(named.difference(done)))
        letters = self._letters(rows)
        self._own(rows)
        for end in rows.ended:
            self._rows.remove_of(end.run)
        self._related(rows)
        if self.answers_lost:
            self.answers_lost -= 1
            raise UnknownFault("the answer to COMMIT was lost")
        ages = {run: (self._rows.now_ms - created_ms) / 1000 for run, created_ms in done.items()}
        return WriteResult(ages, letters, verdict, child_verdict)

    def _runs_written(self, rows: WriteSet) -> dict[UUID, int]:
        """The runs whose compare-and-set held, with the times of their creation."""
        done: dict[UUID, int] = {}
        for one in rows.live:
            row = self._rows.runs.get(one.run)
            if row is not None and row.snapshot.revision == one.revision:
                row.snapshot = msgspec.structs.replace(
                    row.snapshot,
                    status=RunStatus(one.status),
                    revision=one.revision + 1,
                    seq=one.seq,
                    state=one.state,
                    input=None,
                )
                done[one.run] = row.created_ms
        for end in rows.ended:
            row = self._rows.runs.get(end.run)
            if row is not None and row.snapshot.revision == end.revision:
                del self._rows.runs[end.run]
                self._rows.done[end.run] = DoneRow(row.snapshot, end)
                done[end.run] = row.created_ms
        return done

    def _own(self, rows: WriteSet) -> None:
        """Rows of the runs themselves."""
        for gone in rows.removed_tasks:
            self._rows.tasks.pop((gone.run, gone.path), None)
        for task in rows.new_tasks:
            self._rows.tasks[task.run, task.path] = self._task(task)
        for dropped in rows.removed_timers:
            self._rows.timers.pop((dropped.run, dropped.id), None)
        for timer in rows.new_timers:
            self._rows.timers[timer.run, timer.id] = TimerRow(timer.fire_at_ms, timer.fire_at_ms)
        for consumed in rows.consumed_inbox:
            self._rows.inbox.pop((consumed.run, consumed.key), None)
        self._rows.history += rows.history

    def _task(self, task: NewTask) -> TaskRow:
        snapshot, now_ms = self._rows.runs[task.run].snapshot, self._rows.now_ms
        return TaskRow(
            tenant=snapshot.tenant,
            attempt=task.attempt,
            function=task.function,
            effect_key=task.effect_key,
            token=task.token,
            message=task.message,
            ready_ms=now_ms - snapshot.priority * 60_000,
            sweep_ms=now_ms + (600_000 if task.held else 2000),
            sent_ms=None if task.held else now_ms,
        )

    def _letters(self, rows: WriteSet) -> list[WrittenDeadLetter]:
        fresh: list[WrittenDeadLetter] = []
        for letter in rows.dead_letters:
            key = (letter.run, letter.path, letter.attempt, letter.reason)
            if key not in self._rows.held_letters:
                self._rows.held_letters.add(key)
                fresh.append(WrittenDeadLetter(*key))
            task = self._rows.tasks.get((letter.run, letter.path))
            if letter.held and task is not None and task.attempt == letter.attempt:
                task.state = "uncertain"
        return fresh

    def _related(self, rows: WriteSet) -> None:
        for child in rows.children:
            self._rows.accept(_snapshot_of(child, self._rows))
        for message in rows.inbox_writes:
            if self._takes(message):
                place = (message.recipient, message.key)
                self._rows.put_inbox(*place, message.tenant, message.kind, message.body)
        for collection in rows.collections:
            self._rows.collections[collection.run, collection.key] = collection.body
        for key in rows.removed_collections:
            self._rows.collections.pop((key.run, key.key), None)
        gone = {(one.run, one.path) for one in rows.removed_subscriptions}
        kept = [one for one in self._rows.subscriptions if (one.run, one.path) not in gone]
        self._rows.subscriptions = [*kept, *rows.subscriptions]

    def _takes(self, message: InboxWrite) -> bool:
        """An ended run takes nothing but a request to retry, and what follows that request."""
        if message.kind == InboxKind.RETRY.value or message.recipient in self._rows.runs:
            return True
        return any(
            owner == message.recipient and entry.kind == InboxKind.RETRY.value
            for (owner, _), entry in self._rows.inbox.items()
        )

    async def settled(self, runs: Collection[UUID]) -> dict[UUID, CurrentRun]:
        self.faults.meet("settled")
        live = {run: self._rows.runs[run].snapshot for run in runs if run in self._rows.runs}
        ended = {run: self._rows.done[run].end for run in runs if run in self._rows.done}
        return {run: CurrentRun(one.revision, one.state) for run, one in live.items()} | {
            run: CurrentRun(one.revision + 1, None) for run, one in ended.items()
        }

    async def revive(self, runs: Collection[UUID]) -> RevivedRuns:
        """Of retries that people ask for; notifying the parents of those that cannot be resumed is left to the
        real one.
        """
        live: list[UUID] = []
        for run in runs:
            done = self._rows.done.get(run)
            if done is None or done.end.resume is None:
                continue
            asked = [
                entry
                for (owner, _), entry in self._rows.inbox.items()
                if owner == run and entry.kind == InboxKind.RETRY.value
            ]
            if not asked:
                continue
            body = msgspec.json.decode(asked[0].body, type=InboxBody)
            del self._rows.done[run]
            self._rows.accept(
                msgspec.structs.replace(
                    done.snapshot,
                    status=RunStatus(done.end.status),
                    revision=done.end.revision + 1,
                    seq=done.end.seq,
                    state=done.end.resume,
                    program=body.program or done.snapshot.program,
                )
            )
            live.append(run)
        return RevivedRuns(live, [])

    async def forget(self, runs: Collection[UUID]) -> None:
        self.faults.meet("forget")
        for run in set(runs).difference(self._rows.runs):
            self._rows.remove_of(run, keep_retries=True)

    async def tenant_of(self, run: UUID) -> str:
        row = self._rows.runs.get(run)
        return "" if row is None else row.snapshot.tenant

    async def collections(self, wanted: Mapping[UUID, Sequence[str]]) -> dict[UUID, HeldCollections]:
        self.faults.meet("collections")
        found: dict[UUID, HeldCollections] = {}
        for run, keys in wanted.items():
            bodies = [body for (owner, _), body in self._rows.collections.items() if owner == run]
            stored = {key: self._rows.collections.get((run, key)) for key in keys}
            found[run] = HeldCollections(stored, len(bodies), sum(map(len, bodies)))
        return found

    async def definition(self, tenant: str, wanted: WorkflowRef, *, latest: bool) -> Definition | None:
        deployed = self._rows.definitions.get((tenant, wanted.namespace, wanted.name), [])
        fitting = [one for one in deployed if latest or one.version == wanted.version]
        return fitting[-1] if fitting else None


def _snapshot_of(child: ChildRow, rows: FakeRows) -> RunSnapshot:
    return RunSnapshot(
        run=child.id,
        tenant=child.tenant,
        workflow=WorkflowRef(child.namespace, child.name, child.version),
        program=child.program,
        status=RunStatus.PENDING,
        revision=0,
        seq=0,
        state=None,
        trace=child.trace,
        priority=child.priority,
        created_at=datetime.fromtimestamp(child.created_ms / 1000, UTC),
        input=msgspec.json.decode(child.input, type=Payload),
        parent=child.run,
        parent_path=child.parent_path,
        root=child.root,
        depth=child.depth,
        test=child.test,
    )
