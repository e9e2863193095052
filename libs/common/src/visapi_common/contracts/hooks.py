"""The public shapes of hooks: webhooks that providers send to a tenant.

A hook has secrets, of which several may be valid at once; a secret that VisAPI generated is shown only in the
response that makes it, and no response shows one that was given.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from visapi_common.contracts.gateway_bodies import Reason

Provider = Literal[
    "github", "stripe", "slack", "shopify", "standard-webhooks", "whatsapp", "hmac", "basic", "none"
]
Purpose = Literal["signature", "handshake"]
"""What a secret is for: to verify requests, or the `verify_token` of WhatsApp's handshake."""
RefusalReason = Literal["signature", "timestamp", "secret", "disabled", "id", "body", "rate", "handshake"]
"""Why a request to a known hook was refused: its signature (or credentials) is missing or wrong; its
timestamp is too old, too new or missing; the hook has no secret; it is disabled; the request names no
delivery where it must; its body cannot be read; the hook receives too much; the token of a handshake is
wrong.
"""

HEADER = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}\Z"
HeaderName = Annotated[str, msgspec.Meta(pattern=HEADER, max_length=64)]
ValuePlace = Annotated[
    str, msgspec.Meta(pattern=r"^(?:/[^\x00-\x1f]{0,254}|[A-Za-z0-9][A-Za-z0-9-]{0,63})\Z", max_length=255)
]
"""Where a value stands: a JSON pointer into the body (`/data/id`), else the name of a header."""
HookName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", max_length=63)]
SecretText = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]

OVERLAP_MAX_S = 7 * 86_400
TOLERANCE_S = 300
"""Standard Webhooks, Slack and Stripe name five minutes."""
EVENT_HEADERS_MAX = 20


class HmacScheme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider signs: `header` holds `prefix` and then the HMAC of the body, or with `timestamp_header`
    (Unix seconds) of timestamp, `separator` and body.
    """

    header: HeaderName
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, msgspec.Meta(max_length=32)] = ""
    timestamp_header: HeaderName | None = None
    separator: Annotated[str, msgspec.Meta(max_length=8)] = "."


class HookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How requests are verified and read. `hmac` is required for the provider `hmac`, and only for it.

    `id_from`, `event_from`: where the delivery's id and the event's name stand; for `hmac`, `basic` and
    `none` only, the other providers have places of their own. Without `id_from` the SHA-256 of the body is
    the id. `subject_from`: the subject of the event, for every provider. `headers`: request headers that
    become extension attributes of the event. `once_by`: `content` makes the SHA-256 of the body the id of a
    delivery, for providers that do not sign their own id. `tolerance_s`: how far a signed timestamp may be
    off.
    """

    hmac: HmacScheme | None = None
    id_from: ValuePlace | None = None
    event_from: ValuePlace | None = None
    subject_from: ValuePlace | None = None
    headers: Annotated[list[HeaderName], msgspec.Meta(max_length=EVENT_HEADERS_MAX)] = []
    once_by: Literal["delivery", "content"] = "delivery"
    tolerance_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = TOLERANCE_S


class NewHook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hook to make. Without `secret` one is generated where the provider lets its users choose it
    (`github`, `hmac`, `standard-webhooks`, `basic`); a hook of another provider refuses everything until it
    is given the provider's secret. `verify_token` is WhatsApp's; it is generated when it is left out.
    """

    name: HookName
    provider: Provider
    secret: SecretText | None = None
    verify_token: SecretText | None = None
    settings: HookSettings = HookSettings()


class UpdateHook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; `settings` are replaced as a whole."""

    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    settings: HookSettings | msgspec.UnsetType = msgspec.UNSET


class RotateHook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new secret, generated where it may be and is left out. Earlier secrets of the same purpose end after
    `overlap_s`: 0 to 7 days.
    """

    secret: SecretText | None = None
    purpose: Purpose = "signature"
    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=OVERLAP_MAX_S)] = 86_400


class HookSecretView(msgspec.Struct, frozen=True):
    """A secret of a hook, without its value."""

    id: UUID
    purpose: Purpose
    created_at: datetime
    created_by: str
    expires_at: datetime | None


class HookView(msgspec.Struct, frozen=True):
    """A hook. Its provider sends to `path`, which nobody can guess; `source` is the source of its events."""

    id: UUID
    name: str
    provider: Provider
    path: str
    source: str
    enabled: bool
    settings: HookSettings
    secrets: list[HookSecretView]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    links: dict[str, str]


class MadeHook(HookView, frozen=True, kw_only=True):
    """A hook that was made or got a new secret. `secret` and `verify_token` are what VisAPI generated, shown
    only once; null where the value was given.
    """

    secret: str | None
    verify_token: str | None


class HookPage(msgspec.Struct, frozen=True):
    items: list[HookView]
    next: str | None


class HookReceipt(msgspec.Struct, frozen=True):
    """The response to an accepted request. `duplicate`: the delivery was accepted before, and nothing
    happened.
    """

    id: str
    duplicate: bool


class HookDeliveryView(msgspec.Struct, frozen=True):
    """A request that was accepted. `delivery` is the provider's id, and the id of the event that it became;
    `size` counts the bytes of its body. `kept`: the event is still stored, and can be replayed.
    """

    id: UUID
    delivery: str
    type: str
    subject: str | None
    size: int
    received_at: datetime
    kept: bool
    replays: int
    replayed_at: datetime | None
    links: dict[str, str]


class HookDeliveryDetails(HookDeliveryView, frozen=True, kw_only=True):
    """A delivery with its event, in which secrets and personal data are masked; null once it is not kept."""

    content: dict[str, Any] | None


class HookDeliveryPage(msgspec.Struct, frozen=True):
    items: list[HookDeliveryView]
    next: str | None


class ReplayHookDelivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a replay: the reason, for the audit."""

    reason: Reason | None = None


class RefusalCount(msgspec.Struct, frozen=True):
    """How many requests were refused for one reason, since the hook was made."""

    reason: RefusalReason
    count: int
    last_at: datetime


class RefusedRequest(msgspec.Struct, frozen=True):
    """One refused request. `address` is where it came from (of IPv6 the /64)."""

    at: datetime
    reason: RefusalReason
    detail: str
    address: str


class Refusals(msgspec.Struct, frozen=True):
    """The refused requests of a hook: all of them counted, the latest one by one. Replicas store them each
    second.
    """

    counts: list[RefusalCount]
    latest: list[RefusedRequest]
