"""Changes of runs, from rows of history, and whether a follower wants them. Pure."""

from datetime import datetime
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.runs import RunChange
from visapi_gateway.kernel.access.restrictions import UNRESTRICTED, Restrictions
from visapi_gateway.runs.changes.rules.positions import Key, Position
from visapi_gateway.runs.reading.rules.history_items import numbered

_OF_RUNS = "workflow."
_encode = msgspec.json.Encoder().encode


class ChangedRow(msgspec.Struct, frozen=True):
    """A row of history of a run that is shown."""

    xid: int
    run: UUID
    tenant: str
    first_seq: int
    items: bytes
    workflow: WorkflowRef
    test: bool


class Change(msgspec.Struct):
    """One change of a run. All followers share the change. With its row it takes less than 1.5 KiB of memory,
    because every part is bounded.
    """

    position: Position
    workflow: WorkflowRef
    type: str
    test: bool
    data: bytes
    """A `RunChange` as JSON."""
    shown: tuple[str, bytes] = ("", b"")
    """A listing, and the event that all followers of the listing are sent."""


class Wanted(msgspec.Struct, frozen=True):
    """The changes that a follower gets. None and an empty set mean all."""

    tenant: str
    namespace: str | None = None
    name: str | None = None
    types: frozenset[str] = frozenset()
    test: bool | None = None
    limits: Restrictions = UNRESTRICTED

    def admits(self, change: Change) -> bool:
        workflow = change.workflow
        return (
            self.namespace in (None, workflow.namespace)
            and self.name in (None, workflow.name)
            and (not self.types or change.type in self.types)
            and self.test in (None, change.test)
            and self.limits.sees(workflow.namespace, workflow.name)
        )


class _Type(msgspec.Struct):
    type: str


class _Head(_Type):
    time: datetime


_type = msgspec.json.Decoder(_Type).decode
_head = msgspec.json.Decoder(_Head).decode


def changes_of(row: ChangedRow, now: int, after: Key | None = None) -> list[Change]:
    """The changes in a row of history, oldest first: the items that concern the run as a whole and come after
    a key. Raises `ValueError` for a row that cannot be read.
    """
    try:
        items = [(item.seq, item.text) for item in numbered(row.first_seq, row.items)]
        heads = [(seq, _head(text)) for seq, text in items if _type(text).type.startswith(_OF_RUNS)]
    except (msgspec.MsgspecError, RecursionError) as unreadable:
        raise ValueError(str(unreadable)) from unreadable
    changes: list[Change] = []
    for seq, head in heads:
        position = Position(row.xid, str(row.run), seq, now)
        if after is None or position.key > after:
            shown = RunChange(row.run, row.workflow, seq, head.type, head.time, row.test)
            changes.append(Change(position, row.workflow, head.type, row.test, _encode(shown)))
    return changes
