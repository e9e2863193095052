"""Writes of a transition that concern other runs, events and approvals. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import (
    ChildEnd,
    InboxBody,
    InboxKind,
    Trigger,
    WorkflowRef,
)
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.commands import (
    CloseApproval,
    Command,
    DropCollection,
    DropRun,
    Emit,
    KeepCollection,
    OpenApproval,
    RefuseEvent,
    RetryRun,
    StartRun,
    Subscribe,
    Unsubscribe,
)
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.transitions.rules.machine_events import inbox_body
from visapi_orchestrator.transitions.rules.snapshot import BY_PARENT, RunSnapshot

_encode = msgspec.json.Encoder().encode
_error = msgspec.json.Decoder(WorkflowError).decode
_payload = msgspec.json.Decoder(Payload).decode


class Definition(msgspec.Struct, frozen=True):
    """A deployed version: its program's hash in hex."""

    version: str
    program: str


class Child(msgspec.Struct, frozen=True):
    """A child run to start; `parent_path` is set where the parent waits for its end."""

    id: UUID
    workflow: WorkflowRef
    program: str
    input: Payload
    parent_path: str | None
    trace: str | None
    created_ms: int
    """When the parent's transition started it, by the database's clock."""
    root: UUID | None = None
    depth: int = 0
    heard: bool = False
    """The listener of a schedule starts it."""

    def trigger(self, parent: RunSnapshot) -> Trigger:
        """The trigger message of the child run."""
        return Trigger(
            run=self.id,
            tenant=parent.tenant,
            workflow=self.workflow,
            program=self.program,
            input=self.input,
            created_at=datetime.fromtimestamp(self.created_ms / 1000, UTC),
            priority=parent.priority,
            trace=self.trace,
            parent=parent.run,
            parent_path=self.parent_path,
            root=self.root,
            depth=self.depth,
            test=parent.test,
        )


class InboxMessage(msgspec.Struct, frozen=True):
    """A row for the inbox of a run."""

    run: UUID
    key: str
    kind: InboxKind
    body: bytes


@dataclass(slots=True)
class RelatedWrites:
    """The related writes of one transition."""

    children: list[Child] = field(default_factory=list[Child])
    inbox_rows: list[InboxMessage] = field(default_factory=list[InboxMessage])
    subscribe: list[Subscribe] = field(default_factory=list[Subscribe])
    unsubscribe: list[str] = field(default_factory=list[str])
    collect: list[KeepCollection] = field(default_factory=list[KeepCollection])
    uncollect: list[str] = field(default_factory=list[str])
    refuse: list[RefuseEvent] = field(default_factory=list[RefuseEvent])
    emit: list[Emit] = field(default_factory=list[Emit])
    asking: list[OpenApproval] = field(default_factory=list[OpenApproval])
    closing: list[CloseApproval] = field(default_factory=list[CloseApproval])

    def ask(self, command: Command, snapshot: RunSnapshot) -> None:
        """Add a command. Starting a run is no part of it: that needs the definition first."""
        match command:
            case DropRun(cancelled=True):
                self.inbox_rows.append(_cancel(command, snapshot))
            case RetryRun():
                self.inbox_rows.append(_retry(command, snapshot))
            case Subscribe():
                self.subscribe.append(command)
            case Unsubscribe():
                self.unsubscribe.append(command.path)
            case Emit():
                self.emit.append(command)
            case OpenApproval():
                self.asking.append(command)
            case CloseApproval():
                self.closing.append(command)
            case _:
                self._collect(command)

    def _collect(self, command: Command) -> None:
        match command:
            case KeepCollection():
                self.collect.append(command)
            case DropCollection():
                self.uncollect.append(command.key)
            case RefuseEvent():
                self.refuse.append(command)
            case _:
                return


def child_of(start: StartRun, found: Definition, value: Payload, trace: str | None, now_ms: int) -> Child:
    return Child(
        id=UUID(start.child),
        workflow=WorkflowRef(start.namespace, start.name, found.version),
        program=found.program,
        input=value,
        parent_path=start.path if start.awaited else None,
        trace=trace,
        created_ms=now_ms,
        root=None if start.root is None else UUID(start.root),
        depth=start.depth,
        heard=start.heard,
    )


def unknown_child(start: StartRun, snapshot: RunSnapshot) -> InboxMessage | None:
    """The fault of an unknown workflow, for the parent; None where the parent does not wait."""
    if not start.awaited:
        return None
    version = "" if start.version == "latest" else f" in version {start.version}"
    error = standard_error(
        "configuration",
        404,
        title="Unknown workflow",
        detail=f"no workflow {start.namespace}/{start.name}{version} is deployed; deploy it, then retry",
    )
    end = ChildEnd(start.path, UUID(start.child), RunStatus.FAULTED.value, error=error, unknown=True)
    return InboxMessage(snapshot.run, f"child:{start.child}", InboxKind.CHILD, _encode(end))


def end_of(snapshot: RunSnapshot, answer: Answer, output: bytes | None) -> InboxMessage | None:
    """The end of a run as its waiting parent receives it; `output` is the payload column."""
    if not answer.ended or snapshot.parent is None or snapshot.parent_path is None:
        return None
    end = ChildEnd(
        snapshot.parent_path,
        snapshot.run,
        answer.status.value,
        output=None if output is None else _payload(output),
        error=None if answer.error is None else _error(answer.error),
        resume_count=max(answer.resume_count, _heard(snapshot)),
    )
    return InboxMessage(
        snapshot.parent, end_key(snapshot.run, end.resume_count), InboxKind.CHILD, _encode(end)
    )


def _heard(snapshot: RunSnapshot) -> int:
    """The highest resume count among the retry requests in the run's inbox, which its end consumes. Without
    it the parent would take the end of a run that never read the request for an earlier end.
    """
    asked = [inbox_body(row) for row in snapshot.inbox if row.kind is InboxKind.RETRY]
    return max((body.resume_count for body in asked if body is not None), default=0)


def end_key(child: UUID, resume_count: int) -> str:
    """The key of a child's end in its parent's inbox. An end from before the resumption may still lie there
    unread; the count keeps the two apart.
    """
    return f"child:{child}:{resume_count}" if resume_count else f"child:{child}"


def _cancel(command: DropRun, snapshot: RunSnapshot) -> InboxMessage:
    body = InboxBody(actor=f"run:{snapshot.run}", reason="the run that started it no longer wants it")
    return InboxMessage(UUID(command.child), f"{BY_PARENT}:{snapshot.seq}", InboxKind.CANCEL, _encode(body))


def _retry(command: RetryRun, snapshot: RunSnapshot) -> InboxMessage:
    body = InboxBody(
        f"run:{snapshot.run}",
        command.reason,
        path=command.path,
        parent=snapshot.run,
        resume_count=command.resume_count,
    )
    return InboxMessage(UUID(command.child), f"{BY_PARENT}:{snapshot.seq}", InboxKind.RETRY, _encode(body))


def end_again(
    asked: InboxBody, child: UUID, status: str | None, output: bytes | None, error: bytes | None
) -> ChildEnd:
    """The end that a parent receives when it asks to retry a run that cannot be resumed; `status` is None
    where the run is no longer kept.
    """
    assert asked.path is not None, "a parent waits at a path"
    if status is None:
        gone = standard_error(
            "runtime", 410, title="Child run not kept", detail=f"the run {child} ended and is no longer kept"
        )
        return ChildEnd(
            asked.path, child, RunStatus.FAULTED.value, error=gone, resume_count=asked.resume_count
        )
    return ChildEnd(
        asked.path,
        child,
        status,
        output=None if output is None else _payload(output),
        error=None if error is None else _error(error),
        resume_count=asked.resume_count,
    )
