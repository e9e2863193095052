"""The public shapes of dead letters: work that waits for a human decision."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.gateway_bodies import Reason

LetterKind = Literal[
    "task",
    "message",
    "event",
    "emit",
    "schedule",
    "function",
    "timer",
    "inbox",
    "run",
    "lifecycle",
    "webhook",
]
"""The subject of a dead letter: a `task` with an unknown outcome or that no worker survives, or a quarantined
item: a message on the stream `EVENTS`, an event that cannot be matched (`event`) or published (`emit`), a row
of the table that the kind names, or history that cannot be published as `lifecycle` events; or a `webhook` to
an endpoint that was given up.
"""
ReplayState = Literal["running", "done", "aborted"]
"""`done`: each letter was asked for."""
REPLAYABLE = frozenset(
    {"message", "event", "emit", "schedule", "function", "timer", "inbox", "run", "webhook"}
)
"""Kinds that can be replayed. A task is resolved instead; a lifecycle event cannot be replayed."""
SENT_AGAIN = "sent-again"
"""The resolution of a webhook that somebody sent again through its endpoint."""
EDITABLE = frozenset({"message", "event"})
"""Kinds whose event can be replaced before a replay, unless the event is published too. An event that a run
emits is matched and published separately: an event that cannot be published (`emit`) may have started runs
already.
"""
UNREADABLE = "unreadable"
"""The reason of an unreadable message between services, which cannot be replayed."""
TEXT_BYTES = 4096
"""Bytes of a dead letter that the API shows as text."""


class DeadLetterView(msgspec.Struct, frozen=True):
    """A dead letter as the API shows it.

    `item` names the row within its tenant or run, the message's subject, or the endpoint and its webhook.
    `workflow` is `namespace/name`, where the item belongs to one. `size` counts the bytes that were set
    aside; `text` shows the first 4,096 of them, with escapes for bytes that are no text. Secrets and personal
    data are masked in `text` and `detail`.
    """

    id: UUID
    tenant: str
    service: str
    kind: LetterKind
    reason: str
    detail: str
    run: UUID | None
    path: str | None
    attempt: int | None
    function: str | None
    workflow: str | None
    item: list[str]
    size: int
    text: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    replayed_at: datetime | None
    edited_at: datetime | None
    edited_by: str | None
    links: dict[str, str]


class DeadLetterPage(msgspec.Struct, frozen=True):
    items: list[DeadLetterView]
    next: str | None


class ResolveDeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcome of the effect. `output` is the task's output when the effect `happened`."""

    decision: Decision
    reason: Reason | None = None
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ReplayFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open dead letters that can be replayed; of all conditions that are given."""

    kind: LetterKind | None = None
    reason: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    function: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    workflow: Annotated[str, msgspec.Meta(max_length=256, description="`namespace/name`.")] | None = None
    created_after: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    created_before: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class CountReplay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters a replay of many would take."""

    filter: ReplayFilter


class ReplayCount(msgspec.Struct, frozen=True):
    """The number of dead letters that a replay of many would take."""

    count: int


class StartReplay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A replay of many dead letters, of `rate_per_s` letters each second."""

    filter: ReplayFilter
    rate_per_s: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    reason: Reason | None = None


class ReplayView(msgspec.Struct, frozen=True):
    """A replay of many dead letters. Of the `counted` letters `asked` were asked for, of which `replayed`
    were put back and `failed` are open again, with the new reason in their `detail`.
    """

    id: UUID
    filter: ReplayFilter
    rate_per_s: int
    state: ReplayState
    counted: int
    asked: int
    replayed: int
    failed: int
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    ended_by: str | None
    links: dict[str, str]


class ReplayPage(msgspec.Struct, frozen=True):
    items: list[ReplayView]
    next: str | None


class ReplayDeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a replay: the reason, for the audit."""

    reason: Reason | None = None


class EditDeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The CloudEvent (structured JSON) that replaces that of a dead letter, and the reason for the audit."""

    event: msgspec.Raw
    reason: Reason | None = None
