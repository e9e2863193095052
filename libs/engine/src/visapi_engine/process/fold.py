"""Applies one run's events one after another, and encodes the answer as the rows need it. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from visapi_common.contracts.runs import ENDED, RunStatus, TaskRef
from visapi_engine.expressions.evaluate import Evaluator
from visapi_engine.machine.advance import advance
from visapi_engine.machine.collections import Collections
from visapi_engine.machine.commands import (
    CallTask,
    CloseApproval,
    Command,
    DropCollection,
    DropRun,
    DropTask,
    DropTimer,
    Emit,
    KeepCollection,
    OpenApproval,
    RefuseEvent,
    RetryRun,
    SetTimer,
    StartRun,
    Subscribe,
    Unsubscribe,
)
from visapi_engine.machine.events import RetryRequested
from visapi_engine.machine.history import Entry
from visapi_engine.machine.lineage import Kinship
from visapi_engine.machine.plan import Plan
from visapi_engine.machine.result import Advance
from visapi_engine.machine.resumption import not_begun
from visapi_engine.machine.state import ResumePoint, State, decode_state, encode_state
from visapi_engine.process.protocol import Answer, Work

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `HistoryItem` whose data is not encoded yet: the array is encoded in one go."""

    seq: int
    type: str
    time: datetime
    task: TaskRef | None = None
    data: dict[str, Any] | None = None


_items = msgspec.json.Encoder()
_values = msgspec.json.Encoder()


def fold(plan: Plan, evaluate: Evaluator, work: Work) -> Answer:
    """Advance a run by all its events."""
    state = None if work.state is None else decode_state(work.state)
    steps: list[Advance] = []
    kinship = None if work.lineage is None else Kinship(work.run, work.lineage)
    collections = Collections(work.collected)
    for event in work.events:
        step = advance(
            plan,
            state,
            event,
            evaluate,
            handle_key=work.handle_key,
            kinship=kinship,
            collections=collections,
        )
        state = step.state
        steps.append(step)
    if collections.wanted:
        return _wanting(work, list(collections.wanted))
    if state is not None and state.resume is not None:
        state = _with_all_begun(plan, state, state.resume, [one for step in steps for one in step.commands])
    return answer(work, state, steps, quiet=plan.program.quiet)


def _wanting(work: Work, keys: list[str]) -> Answer:
    """The answer that asks for collections."""
    return Answer(
        run=work.run,
        status=RunStatus.WAITING,
        state=work.state or b"",
        first_seq=work.seq + 1,
        seq=work.seq,
        wanted=keys,
    )


def answer(work: Work, state: State | None, steps: list[Advance], *, quiet: bool = False) -> Answer:
    """One answer for all steps of a run; a `quiet` run has no history. `work.events` is not empty."""
    assert state is not None, "work without events"
    entries = [] if quiet else [entry for step in steps for entry in step.history]
    output, error, attributes = None, None, None
    if state.status is RunStatus.COMPLETED:
        output = _values.encode(next((step.output for step in steps if step.state is state), None))
    for step in steps:
        if step.error is not None:
            error = _values.encode(step.error)
        if step.attributes is not None:
            attributes = _values.encode(step.attributes)
    return Answer(
        run=work.run,
        status=state.status,
        state=encode_state(state),
        first_seq=work.seq + 1,
        seq=work.seq + len(entries),
        commands=net([command for step in steps for command in step.commands]),
        items_json=encode_items(entries, work.seq),
        output=output,
        error=error,
        started=work.state is None,
        ended=state.status in ENDED,
        retryable=state.resume is not None,
        resume_count=state.resume_count,
        attributes=attributes,
        admission=state.admission,
        begins=state.admission is not None and _begins(work),
        noted=[step.noted for step in steps if step.noted is not None],
    )


def _with_all_begun(plan: Plan, state: State, point: ResumePoint, wanted: list[Command]) -> State:
    """A child run that one fold both starts and drops is never started: a retry begins its task anew."""
    started = {command.child for command in net(wanted) if isinstance(command, StartRun)}
    dropped = {command.child for command in wanted if isinstance(command, StartRun)} - started
    return msgspec.structs.replace(state, resume=not_begun(plan, point, dropped)) if dropped else state


def _begins(work: Work) -> bool:
    return work.state is None or any(isinstance(event, RetryRequested) for event in work.events)


def net(commands: list[Command]) -> list[Command]:
    """The last command for each task, timer, listener and child: all that the rows need.

    A task that is given up and requested again in one fold is marked (`gave_up`): its row is replaced, not
    deleted.
    """
    last: dict[tuple[str, str], Command] = {}
    for command in commands:
        key = _key(command)
        before = last.pop(key, None)
        if isinstance(command, CallTask) and _gives_up(before):
            command = msgspec.structs.replace(command, gave_up=True)  # noqa: PLW2901 (the same call, told more)
        last[key] = command
    return list(last.values())


def _gives_up(before: Command | None) -> bool:
    return isinstance(before, DropTask) and before.cancelled


def _key(command: Command) -> tuple[str, str]:
    match command:
        case SetTimer() | DropTimer():
            return "timer", command.id
        case Subscribe() | Unsubscribe():
            return "listener", command.path
        case StartRun() | DropRun() | RetryRun():
            return "child", command.child
        case Emit():
            return "event", command.path
        case KeepCollection() | DropCollection():
            return "collection", command.key
        case RefuseEvent():
            return "refused", f"{command.source}\0{command.id}"
        case OpenApproval() | CloseApproval():
            return "approval", command.approval
        case _:
            return "task", command.path


def encode_items(entries: list[Entry], seq: int) -> bytes:
    """Entries as a JSON array of `HistoryItem`, numbered from the one after `seq`."""
    items: list[_Item] = []
    time_ms, time = -1, _EPOCH
    for number, entry in enumerate(entries, seq + 1):
        if entry.time_ms != time_ms:
            time_ms = entry.time_ms
            time = _EPOCH + timedelta(milliseconds=time_ms)
        items.append(_Item(number, entry.type, time, entry.task, entry.data))
    return _items.encode(items)
