"""Events that replace what was set aside: valid, and still the same event. Pure."""

import msgspec

from visapi_common.contracts.foreign import Unreadable
from visapi_common.core.cloudevents import read_event


class WantedEvent(msgspec.Struct, frozen=True):
    """An event as JSON. `names`: the source, id and type that it keeps; empty where it may have any."""

    event: bytes
    names: list[str]

    def encoded(self) -> bytes:
        return _encode(self)


class CheckedEvent(msgspec.Struct, frozen=True):
    """The event as it is stored, or its `flaw`."""

    body: bytes
    flaw: str = ""


_NAMES = ("source", "id", "type")
_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode
_read = msgspec.msgpack.Decoder(WantedEvent).decode
read_checked = msgspec.msgpack.Decoder(CheckedEvent).decode


def check_edit(payload: bytes) -> bytes:
    """A job: takes an encoded `WantedEvent` and returns an encoded `CheckedEvent`."""
    wanted = _read(payload)
    event = read_event({}, wanted.event)
    if isinstance(event, Unreadable):
        return _encode(CheckedEvent(b"", event.reason))
    for name, kept in zip(_NAMES, wanted.names, strict=False):
        if event[name] != kept:
            return _encode(CheckedEvent(b"", f"its {name} must stay {kept!r}: it is the same event"))
    return _encode(CheckedEvent(_json(event)))
