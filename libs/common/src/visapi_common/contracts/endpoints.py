"""The public shapes of endpoints: where VisAPI sends webhooks about runs, tasks and events of a tenant."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from visapi_common.contracts.gateway_bodies import Reason

PATTERNS_MAX = 100
EndpointName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", max_length=63)]
Pattern = Annotated[str, msgspec.Meta(pattern=r"^(?:[^*\x00-\x1f\x7f-\x9f]{1,255}\*?|\*)\Z", max_length=256)]
"""A text; a last `*` stands for anything."""
Patterns = Annotated[list[Pattern], msgspec.Meta(min_length=1, max_length=PATTERNS_MAX)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
MessageState = Literal["pending", "delivered", "failed"]
DisabledReason = Literal["key", "gone", "failing", "full"]
"""Why an endpoint gets nothing: a key said so; it answered 410; nothing was delivered for three days; more
messages wait than may.
"""

OVERLAP_MAX_S = 7 * 86_400


class EndpointFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What else must fit: of runs and tasks the workflow (`namespace/name`), of events the source. What is
    left out filters nothing.
    """

    workflows: Patterns | None = None
    sources: Patterns | None = None


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint to make. `types`: `run.completed`, `task.faulted`, `event.` and the type of an event; a
    last `*` stands for anything. `ordered`: one message at a time; one that fails holds up the others.
    """

    name: EndpointName
    url: Url
    types: Patterns
    filter: EndpointFilter = EndpointFilter()
    ordered: bool = False


class UpdateEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; `types` and `filter` are replaced as a whole."""

    url: Url | msgspec.UnsetType = msgspec.UNSET
    types: Patterns | msgspec.UnsetType = msgspec.UNSET
    filter: EndpointFilter | msgspec.UnsetType = msgspec.UNSET
    ordered: bool | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class RotateEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds earlier secrets sign beside the new one: 0 to 7 days."""

    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=OVERLAP_MAX_S)] = 86_400


class EndpointSecretView(msgspec.Struct, frozen=True):
    """A secret of an endpoint, without its value."""

    id: UUID
    created_at: datetime
    created_by: str
    expires_at: datetime | None


class EndpointView(msgspec.Struct, frozen=True):
    """An endpoint. `failing_since`: the first failure since the last success."""

    id: UUID
    name: str
    url: str
    types: list[str]
    filter: EndpointFilter
    ordered: bool
    enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failing_since: datetime | None
    secrets: list[EndpointSecretView]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    links: dict[str, str]


class MadeEndpoint(EndpointView, frozen=True, kw_only=True):
    """An endpoint that was made or got a new secret. `secret` verifies its webhooks; it is shown once."""

    secret: str | None


class EndpointPage(msgspec.Struct, frozen=True):
    items: list[EndpointView]
    next: str | None


class MessageView(msgspec.Struct, frozen=True):
    """A webhook. `id` is its `webhook-id`, the same in each attempt; `next_attempt_at` is null once it has
    ended.
    """

    id: UUID
    type: str
    state: MessageState
    attempts: int
    size: int
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt. `status` is the receiver's; null where there was no answer, and `error` says why.
    `response` is the start of the receiver's body.
    """

    number: int
    at: datetime
    took_ms: int
    status: int | None
    error: str | None
    response: str | None


class MessageDetails(MessageView, frozen=True, kw_only=True):
    """A webhook with its body and its attempts. What is secret or personal in them is masked."""

    body: Any
    log: list[AttemptView]


class MessagePage(msgspec.Struct, frozen=True):
    items: list[MessageView]
    next: str | None


class ReplayMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a replay: the reason, for the audit."""

    reason: Reason | None = None
