"""What the orchestrator consumes from `ENGINE`: triggers, results, inbox hints, heartbeats."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from visapi_common.contracts.formats import written_version
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.problems import WorkflowError

AttemptNumber = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""As PostgreSQL keeps it; a number outside would fail the statement that it shares with others."""

TaskPath = Annotated[str, msgspec.Meta(max_length=4096)]
"""Longer than any that PostgreSQL has in an index (2,704 bytes), short enough for a log."""

TaskToken = Annotated[str, msgspec.Meta(max_length=256)]

WorkerName = Annotated[str, msgspec.Meta(max_length=500)]
"""Kept with the task that a worker has claimed."""


class WorkflowRef(msgspec.Struct, frozen=True):
    """A deployed definition, exactly."""

    namespace: str
    name: str
    version: str


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """A committed run that waits for its first transition; carries all the first one needs."""

    run: UUID
    tenant: str
    workflow: WorkflowRef
    program: str
    """SHA-256 of the compiled program, in hex."""
    input: Payload
    created_at: datetime
    priority: int = 5
    trace: str | None = None
    """The W3C traceparent of the request that started the run; stored with it."""
    parent: UUID | None = None
    parent_path: str | None = None
    """The task of another run that waits for this one."""
    root: UUID | None = None
    """The run from which this one descends."""
    depth: int = 0
    """How many runs lie between the root and this one, plus one; 0 for a root."""
    test: bool = False
    """A key of kind `test` started the run, or the run from which it descends."""
    v: int = msgspec.field(default_factory=written_version)


class Outcome(StrEnum):
    COMPLETED = "completed"
    FAULTED = "faulted"
    UNCERTAIN = "uncertain"
    """The effect may have happened and nothing can tell: the task is held."""


class TaskResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker's result. A result without the task's token is dropped."""

    run: UUID
    path: TaskPath
    attempt: AttemptNumber
    token: TaskToken
    outcome: Outcome
    output: Payload | None = None
    error: WorkflowError | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    worker: WorkerName = ""
    read: bool = False
    """Of a completed task: it had no effect, so a retried block executes it again."""
    v: int = msgspec.field(default_factory=written_version)


class AnsweredAttempt(msgspec.Struct, frozen=True):
    """The attempt of a result whose output or error cannot be read."""

    run: UUID
    path: TaskPath
    attempt: AttemptNumber
    token: TaskToken
    outcome: str = ""


class InboxHint(msgspec.Struct, frozen=True):
    """Rows of `inbox` wait for this run; the rows themselves are read from PostgreSQL."""

    run: UUID
    v: int = msgspec.field(default_factory=written_version)


class TaskHeartbeat(msgspec.Struct, frozen=True):
    """A worker still works on a task; sent after 5 s of work and then every 3 s."""

    run: UUID
    path: TaskPath
    attempt: AttemptNumber
    token: TaskToken
    v: int = msgspec.field(default_factory=written_version)


class InboxKind(StrEnum):
    """Kinds of rows in a run's inbox."""

    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETRY = "retry"
    RESOLVE = "resolve"
    """An uncertain effect was resolved."""
    EVENT = "event"
    """A CloudEvent that the run may be listening for; the body is the event, structured."""
    CHILD = "child"
    """A run that a task waits for has ended; the body is a `ChildEnd`."""
    APPROVAL = "approval"
    """An approval was decided; the body is an `ApprovalDecided`."""


class Decision(StrEnum):
    """How an uncertain effect is resolved."""

    HAPPENED = "happened"
    RETRY = "retry"
    FAULT = "fault"


class InboxBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of inbox rows of commands; `path`, `decision` and `output` belong to `resolve`, `input` (of
    the task that failed), `version` and `program` (its hash in hex) to `retry`; so does `parent`, the run
    that waits at `path` for what becomes of it, and `resume_count`, how often it has asked.
    """

    actor: str
    reason: str | None = None
    path: str | None = None
    decision: Decision | None = None
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    input: Payload | None = None
    version: str | None = None
    program: str | None = None
    parent: UUID | None = None
    resume_count: int = 0
    v: int = msgspec.field(default_factory=written_version)


class ChildEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a child run ended, for the task at `path` of its parent."""

    path: str
    child: UUID
    status: str
    output: Payload | None = None
    error: WorkflowError | None = None
    unknown: bool = False
    """The workflow does not exist: no run was started."""
    resume_count: int = 0
    """The last resume request that the child had seen."""
    v: int = msgspec.field(default_factory=written_version)


class ApprovalDecided(msgspec.Struct, frozen=True, omit_defaults=True):
    """The decision of an approval, for the task at `path`."""

    path: str
    approval: UUID
    decision: str
    by: str
    comment: str | None = None
    v: int = msgspec.field(default_factory=written_version)


class LiveUpdate(msgspec.Struct, frozen=True):
    """A run has committed history up to `seq`. Followers reread the history and do not trust the body."""

    run: UUID
    seq: int
    status: str
    v: int = msgspec.field(default_factory=written_version)
