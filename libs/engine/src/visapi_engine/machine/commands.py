"""The commands of a transition, named in the imperative. The rows of `tasks` and `timers` follow from
commands alone, so the orchestrator applies commands without knowing the machine.
"""

from typing import Any, Self

import msgspec

from visapi_engine.machine.state import ApproveFrame, Closing


class CallTask(msgspec.Struct, frozen=True, tag="call", omit_defaults=True):
    """Send a task to a worker: insert or replace the row `(run, path)`, then publish the task.

    `arguments` is JSON. The effect key is derived from `path` and `repetition` alone, so all attempts share
    it. `repetition` counts earlier completions of a task that a retried block repeats on purpose (a read).
    `deadline_ms` is when the earliest timeout around the task ends it, `own_deadline_ms` when the timeout
    of the task itself does; both in Unix milliseconds. `gave_up`: the replaced row belongs to an attempt
    that ended without an answer.
    """

    path: str
    attempt: int
    function: str
    name: str
    pointer: str
    arguments: bytes
    on_uncertain: str = "hold"
    function_version: str | None = None
    deadline_ms: int | None = None
    repetition: int = 0
    own_deadline_ms: int | None = None
    gave_up: bool = False


class HoldTask(msgspec.Struct, frozen=True, tag="hold", omit_defaults=True):
    """Keep the row as `uncertain`, do not send it again, tell the operator (a dead letter)."""

    path: str
    attempt: int
    function: str
    detail: str | None = None


class DropTask(msgspec.Struct, frozen=True, tag="drop", omit_defaults=True):
    """Delete the row: the result was consumed, or (`cancelled`) the run no longer needs the task."""

    path: str
    cancelled: bool = False


class SetTimer(msgspec.Struct, frozen=True, tag="timer"):
    """Insert or replace the timer `(run, id)`, due at `fire_at_ms` (Unix milliseconds)."""

    id: str
    fire_at_ms: int


class DropTimer(msgspec.Struct, frozen=True, tag="untimer"):
    """Delete the timer: it fired, or the run no longer waits for it. The row may be gone already."""

    id: str


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """Deliver every event to the run that one of the filters may match. A filter holds the attributes with
    fixed values, by dotted paths into the structured event; the machine checks the rest.
    """

    path: str
    filters: list[dict[str, Any]]


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    """The task at `path` no longer listens."""

    path: str


class KeepCollection(msgspec.Struct, frozen=True, tag="collect"):
    """Insert or replace the collection of one correlation of a schedule: `body` is JSON (`Collection`)."""

    key: str
    body: bytes
    began_ms: int


class DropCollection(msgspec.Struct, frozen=True, tag="uncollect"):
    """The collection is complete: delete it."""

    key: str


class RefuseEvent(msgspec.Struct, frozen=True, tag="refuse"):
    """A schedule cannot collect the event: it becomes a dead letter. `event` is JSON."""

    event: bytes
    source: str
    id: str
    reason: str
    at_ms: int


class Emit(msgspec.Struct, frozen=True, tag="emit"):
    """Publish an event once: `event` is a structured CloudEvent as JSON, `kind` its type."""

    path: str
    event: bytes
    source: str
    id: str
    kind: str


class StartRun(msgspec.Struct, frozen=True, tag="run", omit_defaults=True):
    """Start the run `child` of another workflow; `version` may be `latest`. `input` is JSON.

    With `awaited` the task at `path` receives `ChildEnded` when the child ends. `program` is the hash of the
    child's program where the child does a part of a map. `root` and `depth` are the child's position in its
    family; a child without a root begins a family. `heard`: the listener of a schedule starts the child; it
    goes on listening where the child may not be started.
    """

    path: str
    child: str
    namespace: str
    name: str
    version: str
    input: bytes
    awaited: bool = True
    program: str | None = None
    root: str | None = None
    depth: int = 0
    heard: bool = False


class DropRun(msgspec.Struct, frozen=True, tag="unrun", omit_defaults=True):
    """The run `child` has ended, or (`cancelled`) is no longer wanted and is to be cancelled."""

    path: str
    child: str
    cancelled: bool = False


class RetryRun(msgspec.Struct, frozen=True, tag="rerun", omit_defaults=True):
    """Resume the run `child`, which failed, or which was cancelled because this run failed.

    If the child cannot be resumed, or has completed meanwhile, the task at `path` receives its end once more.
    `resume_count` numbers these requests; the machine ignores an end that predates the last request.
    """

    path: str
    child: str
    resume_count: int
    reason: str | None = None


class OpenApproval(msgspec.Struct, frozen=True, tag="ask", omit_defaults=True):
    """Ask people for a decision, or ask again: insert or replace the approval. `shown` is JSON.

    `keys` are the hashes (hex) of the keys in the links of `approvers`, in their order; the first name is
    empty and stands for anybody. From `expires_ms` on no decision is accepted.
    """

    path: str
    approval: str
    name: str
    shown: bytes
    approvers: list[str]
    keys: list[str]
    asked_ms: int
    expires_ms: int | None = None


class CloseApproval(msgspec.Struct, frozen=True, tag="unask", omit_defaults=True):
    """Close the approval as decided, expired or cancelled, if it is still open.

    A run must not close an approval whose decision has not reached it yet: the transition is then discarded.
    """

    approval: str
    state: str
    at_ms: int
    decision: str | None = None
    comment: str | None = None
    by: str | None = None

    @classmethod
    def of(cls, frame: ApproveFrame, now_ms: int) -> Self:
        """The command that closes the approval of a task; cancelled, unless its frame says otherwise."""
        ended = frame.closing or Closing("cancelled", now_ms)
        return cls(
            frame.approval,
            ended.state,
            ended.at,
            decision=ended.decision,
            comment=ended.comment,
            by=ended.by,
        )


Command = (
    CallTask
    | HoldTask
    | DropTask
    | SetTimer
    | DropTimer
    | Subscribe
    | Unsubscribe
    | KeepCollection
    | DropCollection
    | RefuseEvent
    | Emit
    | StartRun
    | DropRun
    | RetryRun
    | OpenApproval
    | CloseApproval
)
