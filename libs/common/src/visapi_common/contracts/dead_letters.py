"""The public shapes of dead letters: work that waits for a human decision."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.gateway_bodies import Reason

LetterKind = Literal[
    "task", "message", "event", "emit", "schedule", "function", "timer", "inbox", "run", "lifecycle"
]
"""The subject of a dead letter: a `task` with an unknown outcome, or a quarantined item: a message on the
stream `EVENTS`, an event that cannot be matched (`event`) or published (`emit`), a row of the table that the
kind names, or history that cannot be published as `lifecycle` events.
"""
REPLAYABLE = frozenset({"message", "event", "emit", "schedule", "function", "timer", "inbox", "run"})
"""Kinds that can be replayed. A task is resolved instead; a lifecycle event cannot be replayed."""
UNREADABLE = "unreadable"
"""The reason of an unreadable message between services, which cannot be replayed."""
TEXT_BYTES = 4096
"""Bytes of a dead letter that the API shows as text."""


class DeadLetterView(msgspec.Struct, frozen=True):
    """A dead letter as the API shows it.

    `item` names the row within its tenant or run, or the message's subject. `size` counts the bytes that were
    set aside; `text` shows the first 4,096 of them, with escapes for bytes that are no text.
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
    item: list[str]
    size: int
    text: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    replayed_at: datetime | None
    links: dict[str, str]


class DeadLetterPage(msgspec.Struct, frozen=True):
    items: list[DeadLetterView]
    next: str | None


class ResolveDeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of the effect. `output` is the task's output when the effect `happened`."""

    decision: Decision
    reason: Reason | None = None
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ReplayDeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a replay: the reason, for the audit."""

    reason: Reason | None = None
