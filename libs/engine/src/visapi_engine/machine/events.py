"""The events of a run. An event is named in the past tense, carries its time, and may arrive late or twice.

Values from outside (inputs, outputs, errors) stay encoded JSON until the machine reads them, so
they cross processes untouched. `now_ms` is the database's clock in Unix milliseconds.
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
    """A worker completed the task. `output` is JSON; `read` means that the call had no effect."""

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
    """Nobody knows whether the effect happened. `error` is a `WorkflowError` as JSON."""

    now_ms: int
    path: str
    attempt: int
    error: bytes | None = None


class TimerFired(msgspec.Struct, frozen=True, tag="timer"):
    """A timer of the run fired; `id` is that of `SetTimer`."""

    now_ms: int
    id: str


class EventArrived(msgspec.Struct, frozen=True, tag="event"):
    """An event that an open `listen` may consume: a structured CloudEvent as JSON."""

    now_ms: int
    event: bytes


class ChildEnded(msgspec.Struct, frozen=True, tag="child", omit_defaults=True):
    """The child run of a task has ended. `output` or `error` is JSON."""

    now_ms: int
    path: str
    child: str
    status: RunStatus
    output: bytes | None = None
    error: bytes | None = None
    unknown: bool = False
    """There is no such workflow: nothing was started."""
    resume_count: int = 0
    """The number of the last `RetryRun` that the child had received when it ended."""


class Decided(msgspec.Struct, frozen=True, tag="decided", omit_defaults=True):
    """A person decided on an open approval; the sender has checked that they may decide."""

    now_ms: int
    path: str
    approval: str
    decision: str
    by: str
    comment: str | None = None


class CancelRequested(msgspec.Struct, frozen=True, tag="cancel", omit_defaults=True):
    """`by_parent`: the parent run failed. A retry of the parent may resume this run."""

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
    """An operator resolved an uncertain effect; `output` (JSON) belongs to the decision `happened`."""

    now_ms: int
    path: str
    decision: Decision
    actor: str
    output: bytes | None = None
    reason: str | None = None


class RetryRequested(msgspec.Struct, frozen=True, tag="retry", omit_defaults=True):
    """Resume a faulted run at the task that failed; `input` (JSON) replaces the raw input of that task.

    `resume_count` numbers the request where the parent run makes it.
    """

    now_ms: int
    actor: str
    reason: str | None = None
    input: bytes | None = None
    resume_count: int = 0


class EngineFailed(msgspec.Struct, frozen=True, tag="engine.failed"):
    """The run cannot be advanced, for whatever reason: the run faults, and no expression is evaluated.

    `error` is a `WorkflowError` as JSON. The event may be the first of a run.
    """

    now_ms: int
    run: str
    error: bytes


Told = (
    TaskCompleted | TaskFaulted | TaskUncertain | TimerFired | Resolved | EventArrived | ChildEnded | Decided
)
"""Events that advance a run. A suspended run keeps them and acts on them when it is resumed."""

Event = Started | Told | CancelRequested | SuspendRequested | ResumeRequested | RetryRequested | EngineFailed
