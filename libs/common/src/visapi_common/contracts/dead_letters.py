"""The public shapes of dead letters: work that waits for a human decision."""

from datetime import datetime
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import Decision


class DeadLetterView(msgspec.Struct, frozen=True):
    """A dead letter as the API shows it."""

    id: UUID
    service: str
    reason: str
    detail: str
    run: UUID | None
    path: str | None
    attempt: int | None
    function: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    links: dict[str, str]


class DeadLetterPage(msgspec.Struct, frozen=True):
    items: list[DeadLetterView]
    next: str | None


class ResolveDeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of the effect. `output` is the task's output when the effect `happened`."""

    decision: Decision
    reason: str | None = None
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
