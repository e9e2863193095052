"""A run before a transition, as the ledger knows it."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import InboxKind, Trigger, WorkflowRef
from visapi_common.contracts.foreign import version_of
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import RunStatus

BY_PARENT = "parent"
"""Prefix of the inbox keys that a waiting parent writes; the parent's last history number follows and keeps
the keys apart.
"""


class InboxRow(msgspec.Struct, frozen=True):
    """A stored inbox row; the type of `body` follows from `kind`."""

    key: str
    kind: InboxKind
    body: bytes


_KINDS = frozenset(kind.value for kind in InboxKind)


def readable_rows(rows: Iterable[tuple[str, str, bytes]]) -> tuple[InboxRow, ...]:
    """The inbox rows (key, kind, body) that this release understands. A kind that it does not know is left
    for a newer one, or set aside by the sweep; a body in the format of a later release is left, too.
    """
    return tuple(
        InboxRow(key, InboxKind(kind), body)
        for key, kind, body in rows
        # The body of an event is its sender's.
        if kind in _KINDS and (kind == InboxKind.EVENT or version_of(body) <= NEWEST.messages)
    )


class UnreadableState(msgspec.Struct, frozen=True):
    """A stored state whose large values cannot be read, and the reason."""

    stored: bytes
    error: WorkflowError


class RunSnapshot(msgspec.Struct, frozen=True):
    """A live run. `input` is there only before the first transition (`state` is None then).

    `trusted` is false for a snapshot taken from a trigger or from this process's last write: the row was not
    read, and the compare-and-set verifies the snapshot.
    """

    run: UUID
    tenant: str
    workflow: WorkflowRef
    program: str
    status: RunStatus
    revision: int
    seq: int
    state: bytes | None
    trace: str | None
    priority: int
    created_at: datetime
    input: Payload | None = None
    inbox: tuple[InboxRow, ...] = ()
    parent: UUID | None = None
    parent_path: str | None = None
    root: UUID | None = None
    """The run from which it descends; None where no other run caused it."""
    depth: int = 0
    quiet: bool = False
    """The system's own run, which listens for a schedule's events."""
    test: bool = False
    """A test run: what it calls reaches nobody outside, and its descendants are test runs too."""
    trusted: bool = True
    unreadable: UnreadableState | None = None
    """Set when `state` lacks large values that cannot be read."""


def snapshot_of(trigger: Trigger) -> RunSnapshot:
    """A run that nobody has advanced yet, as its trigger describes it."""
    return RunSnapshot(
        run=trigger.run,
        tenant=trigger.tenant,
        workflow=trigger.workflow,
        program=trigger.program,
        status=RunStatus.PENDING,
        revision=0,
        seq=0,
        state=None,
        trace=trigger.trace,
        priority=trigger.priority,
        created_at=trigger.created_at,
        input=trigger.input,
        parent=trigger.parent,
        parent_path=trigger.parent_path,
        root=trigger.root,
        depth=trigger.depth,
        test=trigger.test,
        trusted=False,
    )
