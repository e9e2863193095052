"""From messages to the machine's events, in a fixed order: start, decisions, results, inbox, timers.

Decisions of people come first: the gateway has confirmed them. Results come before commands and timers, so
that a timeout never beats a result of the same batch.
"""

from typing import Literal

import msgspec

from visapi_common.contracts.engine_messages import (
    ApprovalDecided,
    ChildEnd,
    InboxBody,
    InboxKind,
    Outcome,
    TaskResult,
)
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.events import (
    CancelRequested,
    ChildEnded,
    Decided,
    Event,
    EventArrived,
    Resolved,
    ResumeRequested,
    RetryRequested,
    Started,
    SuspendRequested,
    TaskCompleted,
    TaskFaulted,
    TaskUncertain,
    TimerFired,
)
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages
from visapi_orchestrator.transitions.rules.snapshot import BY_PARENT, InboxRow, RunSnapshot

_encode = msgspec.json.Encoder().encode
_decode_body = msgspec.json.Decoder(InboxBody).decode

_NO_ERROR = _encode(
    standard_error("runtime", 500, title="Failed", detail="the worker reported a failure without an error")
)

_decode_decided = msgspec.json.Decoder(ApprovalDecided).decode
_decode_child = msgspec.json.Decoder(ChildEnd).decode

Values = dict[int, bytes]
"""Resolved payloads by the `id()` of the result or inbox row they belong to; `INPUT` is the run's own."""

INPUT = 0


def events_of(messages: RunMessages, snapshot: RunSnapshot, values: Values, now_ms: int) -> list[Event]:
    """The events of one run; `values` holds every output and the input as JSON."""
    events: list[Event] = []
    if snapshot.state is None:
        events.append(Started(now_ms=now_ms, run=str(snapshot.run), input=values[INPUT]))
    read = [inbox_event(row, now_ms, values) for row in snapshot.inbox]
    decided, others = _decisions_first([event for event in read if event is not None])
    events.extend(decided)
    events.extend(result_event(result, values, now_ms) for result in messages.results)
    events.extend(others)
    events.extend(timer_event(timer, now_ms) for timer in messages.timers)
    return events


def _decisions_first(read: list[Event]) -> tuple[list[Event], list[Event]]:
    """Decisions, and the other events. A run that was suspended earlier must receive a decision as a
    suspended run: then everything up to the last decision comes first, in its order.
    """
    decided = [place for place, event in enumerate(read) if isinstance(event, Decided)]
    if not decided:
        return [], read
    until = decided[-1] + 1
    if any(isinstance(event, SuspendRequested) for event in read[:until]):
        return read[:until], read[until:]
    return [read[place] for place in decided], [event for event in read if not isinstance(event, Decided)]


def result_event(result: TaskResult, values: Values, now_ms: int) -> Event:
    """A worker's answer; its token has been verified."""
    error = _encode(result.error) if result.error is not None else None
    match result.outcome:
        case Outcome.COMPLETED:
            return TaskCompleted(
                now_ms=now_ms,
                path=result.path,
                attempt=result.attempt,
                output=values.get(id(result), b"null"),
                read=result.read,
            )
        case Outcome.FAULTED:
            return TaskFaulted(
                now_ms=now_ms, path=result.path, attempt=result.attempt, error=error or _NO_ERROR
            )
        case Outcome.UNCERTAIN:
            return TaskUncertain(now_ms=now_ms, path=result.path, attempt=result.attempt, error=error)


def inbox_event(row: InboxRow, now_ms: int, values: Values) -> Event | None:
    """The event of an inbox row; None for a row that no release can have written."""
    match row.kind:
        case InboxKind.EVENT:
            return EventArrived(now_ms=now_ms, event=row.body)
        case InboxKind.CHILD:
            return _child_ended(row, now_ms, values)
        case InboxKind.APPROVAL:
            return _decided(row, now_ms)
        case _:
            body = inbox_body(row)
            return None if body is None else _commanded(row, row.kind, body, now_ms=now_ms, values=values)


_Commands = Literal[InboxKind.CANCEL, InboxKind.SUSPEND, InboxKind.RESUME, InboxKind.RETRY, InboxKind.RESOLVE]


def _commanded(
    row: InboxRow, kind: _Commands, body: InboxBody, *, now_ms: int, values: Values
) -> Event | None:
    match kind:
        case InboxKind.CANCEL:
            return CancelRequested(
                now_ms=now_ms, actor=body.actor, reason=body.reason, by_parent=row.key.startswith(BY_PARENT)
            )
        case InboxKind.SUSPEND:
            return SuspendRequested(now_ms=now_ms, actor=body.actor, reason=body.reason)
        case InboxKind.RESUME:
            return ResumeRequested(now_ms=now_ms, actor=body.actor, reason=body.reason)
        case InboxKind.RESOLVE:
            return _resolved(body, now_ms)
        case InboxKind.RETRY:
            return RetryRequested(
                now_ms=now_ms,
                actor=body.actor,
                reason=body.reason,
                input=values.get(id(row)),
                resume_count=body.resume_count,
            )


def _child_ended(row: InboxRow, now_ms: int, values: Values) -> Event | None:
    end = child_end(row)
    if end is None:
        return None
    return ChildEnded(
        now_ms=now_ms,
        path=end.path,
        child=str(end.child),
        status=RunStatus(end.status),
        output=values.get(id(row)),
        error=None if end.error is None else _encode(end.error),
        unknown=end.unknown,
        resume_count=end.resume_count,
    )


def _decided(row: InboxRow, now_ms: int) -> Event | None:
    try:
        decision = _decode_decided(row.body)
    except msgspec.DecodeError:
        return None
    return Decided(
        now_ms=now_ms,
        path=decision.path,
        approval=str(decision.approval),
        decision=decision.decision,
        by=decision.by,
        comment=decision.comment,
    )


def child_end(row: InboxRow) -> ChildEnd | None:
    """The body of a `child` row; None when it cannot be read."""
    try:
        return _decode_child(row.body)
    except msgspec.DecodeError:
        return None


def inbox_body(row: InboxRow) -> InboxBody | None:
    """The body of a command; None when it cannot be read."""
    try:
        return _decode_body(row.body)
    except msgspec.DecodeError:
        return None


def _resolved(body: InboxBody, now_ms: int) -> Event | None:
    if body.path is None or body.decision is None:
        return None
    return Resolved(
        now_ms=now_ms,
        path=body.path,
        decision=body.decision,
        actor=body.actor,
        output=None if body.output is msgspec.UNSET else bytes(body.output),
        reason=body.reason,
    )


def timer_event(timer: DueTimer, now_ms: int) -> Event:
    """The database found the timer due, so it is, even if our estimate of its clock lags a round trip."""
    return TimerFired(now_ms=max(now_ms, timer.fire_at_ms), id=timer.id)


def resolutions_of(snapshot: RunSnapshot) -> list[InboxBody]:
    """The decisions about uncertain effects in the inbox; they close dead letters."""
    found: list[InboxBody] = []
    for row in snapshot.inbox:
        if row.kind is InboxKind.RESOLVE:
            try:
                found.append(_decode_body(row.body))
            except msgspec.DecodeError:
                continue
    return found
