"""What a run can be told. An event is past tense, carries its time, and may be late or repeated.

Values from outside (inputs, outputs, errors) stay encoded JSON until the machine reads them, so
that they cross processes untouched. `now_ms` is the database's clock in Unix milliseconds.
"""

import msgspec

from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.runs import RunStatus


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The run's first event. `input` is the run's input as JSON, `run` its id."""

    now_ms: int
    run: str
    input: bytes


class TaskCompleted(msgspec.Struct, frozen=True, tag="task.completed", omit_defaults=True):
    """A worker answered. `output` is JSON; `read` says that the call changed nothing."""

    now_ms: int
    path: str
    attempt: int
    output: bytes
    read: bool = False


class TaskFaulted(msgspec.Struct, frozen=True, tag="task.faulted"):
    """A worker failed, and nothing happened. `error` is a `WorkflowError` as JSON."""

    now_ms: int
    path: str
    attempt: int
    error: bytes


class TaskUncertain(msgspec.Struct, frozen=True, tag="task.uncertain", omit_defaults=True):
    """Nobody knows whether the effect happened (DESIGN 3.6). `error` is a `WorkflowError` as JSON."""

    now_ms: int
    path: str
    attempt: int
    error: bytes | None = None


class TimerFired(msgspec.Struct, frozen=True, tag="timer"):
    """A timer of the run is due; `id` as in `SetTimer`."""

    now_ms: int
    id: str


class EventArrived(msgspec.Struct, frozen=True, tag="event"):
    """An event that some open `listen` may be waiting for: a structured CloudEvent as JSON."""

    now_ms: int
    event: bytes


class ChildEnded(msgspec.Struct, frozen=True, tag="child", omit_defaults=True):
    """The run that a task started and waits for has ended. `output` or `error` is JSON."""

    now_ms: int
    path: str
    child: str
    status: RunStatus
    output: bytes | None = None
    error: bytes | None = None
    unknown: bool = False
    """There is no such workflow: nothing was started."""
    resume_count: int = 0
    """The last asking to go on that it knew of (`RetryRun`)."""


class Decided(msgspec.Struct, frozen=True, tag="decided", omit_defaults=True):
    """Somebody decided on an approval; that they may, and that it was open, was checked."""

    now_ms: int
    path: str
    approval: str
    decision: str
    by: str
    comment: str | None = None


class CancelRequested(msgspec.Struct, frozen=True, tag="cancel", omit_defaults=True):
    """`by_parent`: the run that waits for this one failed; it may want it again when it is retried."""

    now_ms: int
    actor: str
    reason: str | None = None
    by_parent: bool = False


class SuspendRequested(msgspec.Struct, frozen=True, tag="suspend", omit_defaults=True):
    now_ms: int
    actor: str
    reason: str | None = None


class ResumeRequested(msgspec.Struct, frozen=True, tag="resume", omit_defaults=True):
    now_ms: int
    actor: str
    reason: str | None = None


class Resolved(msgspec.Struct, frozen=True, tag="resolved", omit_defaults=True):
    """Somebody decided what became of an uncertain effect; `output` (JSON) goes with `happened`."""

    now_ms: int
    path: str
    decision: Decision
    actor: str
    output: bytes | None = None
    reason: str | None = None


class RetryRequested(msgspec.Struct, frozen=True, tag="retry", omit_defaults=True):
    """A faulted run is to go on from the task that failed; `input` (JSON) replaces that task's raw input.

    `resume_count` numbers the asking where the run that waits for this one asks.
    """

    now_ms: int
    actor: str
    reason: str | None = None
    input: bytes | None = None
    resume_count: int = 0


class EngineFailed(msgspec.Struct, frozen=True, tag="engine.failed"):
    """The run cannot be advanced, whatever the reason: it faults, and nothing is evaluated.

    `error` is a `WorkflowError` as JSON. May be the first event of a run.
    """

    now_ms: int
    run: str
    error: bytes


Told = (
    TaskCompleted | TaskFaulted | TaskUncertain | TimerFired | Resolved | EventArrived | ChildEnded | Decided
)
"""What moves a run on, and what a suspended run therefore keeps for later."""

Event = Started | Told | CancelRequested | SuspendRequested | ResumeRequested | RetryRequested | EngineFailed
