"""Accept events: check them, then commit them. Repeating a request is harmless."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from visapi_common.contracts.gateway_bodies import EventReceipt, EventReceipts
from visapi_common.contracts.problems import FieldError
from visapi_common.core.cloudevents import (
    BATCH,
    TEST_IDS,
    check_foreign_event,
    from_binary,
    from_outside,
    is_binary,
)
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.access.scopes import Principal

EVENTS_MAX = 1000
_encode = msgspec.json.Encoder().encode


class NewEvent(msgspec.Struct, frozen=True):
    """An event to commit; `body` is its structured JSON. One that reaches test runs only (`test`) has an id
    that begins with `TEST_IDS`.
    """

    source: str
    id: str
    type: str
    body: bytes
    test: bool = False


EventKey = tuple[str, str]
"""The source and the id of an event."""


class EventLedger(Protocol):
    async def put(self, tenant: str, events: Sequence[NewEvent]) -> set[EventKey]:
        """Commit all events. Returns the keys of the new ones."""
        ...


ReadJson = Callable[[str, bytes], Awaitable[Any]]


class AcceptEvents:
    """The use case of `POST /v1/events`."""

    def __init__(self, ledger: EventLedger, read_json: ReadJson) -> None:
        self._ledger = ledger
        self._read_json = read_json

    async def __call__(
        self, who: Principal, headers: Mapping[str, str], media_type: str, body: bytes
    ) -> EventReceipts:
        """Raises `ProblemError` with every mistake of every event."""
        given = await self._read(who.tenant, headers, media_type, body)
        events = [_new(event, test=who.is_test) for event in given]
        fresh = await self._ledger.put(who.tenant, events)
        seen: set[EventKey] = set()
        items: list[EventReceipt] = []
        for as_given, event in zip(given, events, strict=True):
            key = (event.source, event.id)
            items.append(EventReceipt(as_given["id"], event.source, key not in fresh or key in seen))
            seen.add(key)
        return EventReceipts(items)

    async def _read(
        self, tenant: str, headers: Mapping[str, str], media_type: str, body: bytes
    ) -> list[dict[str, Any]]:
        """The events of a request, in any of the three content modes."""
        if is_binary(headers):
            return _checked([from_binary(headers, body)], "")
        value = await self._read_json(tenant, body)
        if media_type != BATCH:
            return _checked([value], "")
        if not isinstance(value, list):
            raise ProblemError("invalid_body", f"the body of {BATCH} must be a list of events", status=422)
        return _checked(cast("list[Any]", value), "/{}")


def _checked(values: list[Any], at: str) -> list[dict[str, Any]]:
    if not 0 < len(values) <= EVENTS_MAX:
        detail = f"a request carries 1 to {EVENTS_MAX} events, this one has {len(values)}"
        raise ProblemError("invalid_body", detail, status=422)
    errors: list[FieldError] = []
    for index, value in enumerate(values):
        errors += check_foreign_event(value, at.format(index))
    if errors:
        raise ProblemError(
            "invalid_body",
            "no CloudEvents 1.0 that may be posted; see errors",
            status=422,
            errors=errors[:100],
        )
    return values


def _new(event: dict[str, Any], *, test: bool) -> NewEvent:
    own = from_outside(event)
    kept = {name: value for name, value in own.items() if value is not None or name == "data"}
    row = f"{TEST_IDS}{event['id']}" if test else event["id"]
    return NewEvent(event["source"], row, event["type"], _encode(kept), test)
