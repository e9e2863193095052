"""What a transition asks of the world. A command is imperative; the rows of `tasks` and `timers`
follow from commands alone, so whoever applies them needs to know nothing of the machine.
"""

from typing import Any

import msgspec


class CallTask(msgspec.Struct, frozen=True, tag="call", omit_defaults=True):
    """Give a task to a worker: insert or replace the row `(run, path)`, then publish it.

    `arguments` is JSON. The effect key comes from `path` and `repetition` alone: another attempt has the
    same. `repetition` counts how often a retried block has completed the task to do it again after all.
    `deadline_ms` is when the earliest timeout around the task ends it, `own_deadline_ms` when the timeout
    of the task itself does; both in Unix milliseconds. `gave_up`: the row that it replaces is of an attempt
    that was given up without an answer.
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
    """Delete the row: its result was consumed, or (`cancelled`) the run no longer wants it."""

    path: str
    cancelled: bool = False


class SetTimer(msgspec.Struct, frozen=True, tag="timer"):
    """Insert or replace the timer `(run, id)`, due at `fire_at_ms` (Unix milliseconds)."""

    id: str
    fire_at_ms: int


class DropTimer(msgspec.Struct, frozen=True, tag="untimer"):
    """Delete the timer: it was consumed, or nobody waits for it any more. It may be gone already."""

    id: str


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """Tell the run of every event that one of the filters may match. Each filter is the attributes that
    it fixes: dotted paths into the structured event, and their values; the machine decides the rest.
    """

    path: str
    filters: list[dict[str, Any]]


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    """The task at `path` listens no more."""

    path: str


class Emit(msgspec.Struct, frozen=True, tag="emit"):
    """Bring an event into the world, once: `event` is a structured CloudEvent as JSON, `kind` its type."""

    path: str
    event: bytes
    source: str
    id: str
    kind: str


class StartRun(msgspec.Struct, frozen=True, tag="run", omit_defaults=True):
    """Start the run `child` of another workflow; `version` may be `latest`. `input` is JSON.

    With `awaited` its end is told to the task at `path` (`ChildEnded`). `program` is the hash of its program
    where that is a part of the starting run's own workflow. `root` and `depth` are the child's place in its
    family; without a root it begins one. `heard` says that the listener of a schedule starts it, which
    itself goes on where the run may not be started.
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
    """The run `child` failed, or was cancelled because the run that waits for it failed: take it up again.

    Where that cannot be, or it has ended well meanwhile, its end is told to the task at `path` once more.
    `resume_count` counts these askings; an end that does not know of the last one is of no concern.
    """

    path: str
    child: str
    resume_count: int
    reason: str | None = None


class OpenApproval(msgspec.Struct, frozen=True, tag="ask", omit_defaults=True):
    """Show people a question, or show it again: insert or replace the approval. `shown` is JSON.

    `keys` are the hashes (hex) of the keys in the links of `approvers`; the first name is empty: anybody.
    Nobody may decide from `expires_ms` on.
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
    """The approval is decided, expired or cancelled, if it still is open.

    A run that has not heard yet what was decided may not close it: then nothing of the transition may be
    written.
    """

    approval: str
    state: str
    at_ms: int
    decision: str | None = None
    comment: str | None = None
    by: str | None = None


Command = (
    CallTask
    | HoldTask
    | DropTask
    | SetTimer
    | DropTimer
    | Subscribe
    | Unsubscribe
    | Emit
    | StartRun
    | DropRun
    | RetryRun
    | OpenApproval
    | CloseApproval
)
