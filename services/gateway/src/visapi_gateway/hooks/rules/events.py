"""The CloudEvent that an accepted request becomes. Pure."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.hooks import HookSettings
from visapi_common.core.cloudevents import HOOK_ATTRIBUTE, HOOK_SOURCES, attribute_flaw
from visapi_gateway.hooks.rules.bodies import Content
from visapi_gateway.hooks.rules.live_hooks import LiveHook
from visapi_gateway.hooks.rules.requests import HookRequest, Refused
from visapi_gateway.hooks.rules.scheme import Description, found_at
from visapi_gateway.hooks.rules.signing import content_id

HEADER_PREFIX = "header"
"""A header `X-Request-Id` becomes the extension attribute `headerxrequestid`."""
_NOT_IN_NAME = re.compile(r"[^a-z0-9]")
_SECRET_HEADERS = re.compile(
    r"authorization|cookie|signature|hmac|token|secret|password|api-?key", re.IGNORECASE
)
_ID_BYTES_MAX = 900
_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Head(msgspec.Struct, frozen=True):
    """What says which event it is."""

    id: str
    source: str
    type: str


_head = msgspec.json.Decoder(Head).decode


class Replayed(msgspec.Struct, frozen=True):
    """An event to commit, as structured JSON."""

    id: str
    source: str
    type: str
    event: bytes


class Delivery(msgspec.Struct, frozen=True):
    """One accepted request: the row, and its event as structured JSON; `delivery` is the provider's id."""

    tenant: str
    hook: UUID
    id: UUID
    delivery: str
    source: str
    type: str
    subject: str | None
    size: int
    event: bytes


def source_of(hook_name: str) -> str:
    return f"{HOOK_SOURCES}{hook_name}"


def event_id(hook: UUID, delivery: str) -> str:
    """The id of a delivery's event. A hook that is made again under the name of a removed one shares its
    source, and no id.
    """
    return f"{hook}/{delivery}"


def may_be_kept(header: str) -> bool:
    """Whether a request header may become part of an event: none that carries a credential."""
    return _SECRET_HEADERS.search(header) is None


def attribute_of(header: str) -> str:
    return HEADER_PREFIX + _NOT_IN_NAME.sub("", header.lower())


def identified(
    said: Description, request: HookRequest, content: Content, settings: HookSettings
) -> Description | Refused:
    """The description with what the hook's settings change."""
    ident = content_id(request.body) if settings.once_by == "content" else said.id
    flaw = attribute_flaw("id", ident) or _length_flaw(ident)
    if flaw is not None:
        return Refused("id", f"the id of the delivery {flaw}")
    subject = said.subject
    if settings.subject_from is not None:
        subject = found_at(settings.subject_from, request, content.data)
    if subject is not None and attribute_flaw("subject", subject) is not None:
        subject = None
    return Description(ident, said.event, subject)


def _length_flaw(ident: str) -> str | None:
    """The id of the hook, and a replay's, are added to the id."""
    return None if len(ident.encode()) <= _ID_BYTES_MAX else f"must not be longer than {_ID_BYTES_MAX} bytes"


def event_of(
    hook: LiveHook, said: Description, request: HookRequest, content: Content, at: datetime
) -> dict[str, Any]:
    """The event as structured JSON has it."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(hook.id, said.id),
        "source": source_of(hook.name),
        "type": f"hook.{hook.provider}.{said.event}",
        "time": at.isoformat().replace("+00:00", "Z"),
        HOOK_ATTRIBUTE: str(hook.id),
        **kept_headers(request, hook.settings),
        **content.members(),
    }
    if said.subject is not None:
        event["subject"] = said.subject
    return event


def kept_headers(request: HookRequest, settings: HookSettings) -> dict[str, str]:
    """The headers that the hook keeps, as extension attributes. A value that no attribute may have is left
    out.
    """
    found: dict[str, str] = {}
    for header in settings.headers:
        value = request.header(header)
        name = attribute_of(header)
        if value is not None and may_be_kept(header) and attribute_flaw(name, value) is None:
            found[name] = value
    return found


def replayed(event: bytes, replay: UUID) -> Replayed:
    """The event of a replay, which is an event of its own. Its members stay the bytes that they were."""
    members = _members(event)
    head = _head(event)
    ident = f"{head.id}/replay/{replay}"
    return Replayed(ident, head.source, head.type, _encode({**members, "id": ident}))
