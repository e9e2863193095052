"""Events as the orchestrator takes them in. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Unreadable
from visapi_common.core.cloudevents import read_event
from visapi_common.core.event_keys import key_in

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ArrivedEvent(msgspec.Struct, frozen=True):
    """An event that came in; `body` is its structured JSON."""

    tenant: str
    source: str
    id: str
    body: bytes
    type: str = ""
    came_at: datetime | None = None
    """When the event was taken in."""
    test: bool = False
    """Of a test key or a test run: it reaches test runs only."""

    @property
    def name(self) -> tuple[str, str, str]:
        """The unique name of an event: tenant, source and id."""
        return (self.tenant, self.source, self.id)

    @property
    def inbox_key(self) -> str:
        """The inbox key of the event: a run receives the event once."""
        return "event:" + hashlib.sha256(f"{self.source}\0{self.id}".encode()).hexdigest()


class BadEvent(Exception):
    """A message on `EVENTS` that is no CloudEvent; the text says why."""


class TenantDisabled(BadEvent):
    """The tenant of the event is disabled."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"the tenant {tenant!r} is disabled; replay this event when it is enabled")


class SubscriptionLookup(msgspec.Struct, frozen=True):
    """The key under which the subscriptions to an event are looked up."""

    event: ArrivedEvent
    shape: str
    key: bytes


def read_message(subject: str, headers: Mapping[str, str], body: bytes) -> ArrivedEvent:
    """The event in a message, structured or binary. Raises `BadEvent`."""
    event = read_event(headers, body)
    if isinstance(event, Unreadable):
        raise BadEvent(event.reason)
    return ArrivedEvent(
        subjects.event_tenant(subject), event["source"], event["id"], _encode(event), event["type"]
    )


def probes(events: Iterable[ArrivedEvent], shapes: Mapping[str, Sequence[str]]) -> list[SubscriptionLookup]:
    """One probe per event and shape of its tenant, where the event has the shape's attributes."""
    found: list[SubscriptionLookup] = []
    for event in events:
        wanted = shapes.get(event.tenant)
        if not wanted:
            continue
        value = _decode(event.body)
        for shape in wanted:
            key = key_in(value, shape)
            if key is not None:
                found.append(SubscriptionLookup(event, shape, key))
    return found
