"""Whether the orchestrator could accept a quarantined message as an event. Pure."""

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.core.cloudevents import read_event

_EVENTS = subjects.EVENTS_ALL.removesuffix(">")
_headers = Reader(dict[str, str])
_encode = msgspec.msgpack.Encoder().encode


class SetAsideMessage(msgspec.Struct, frozen=True):
    """The message of a dead letter. `headers` is JSON; `tenant_exists` refers to the dead letter's tenant."""

    subject: str
    headers: bytes
    body: bytes
    tenant_exists: bool

    @property
    def is_event(self) -> bool:
        """Whether the message came from the event stream; messages of other streams cannot be replayed."""
        return self.subject.startswith(_EVENTS)

    def encoded(self) -> bytes:
        return _encode(self)


_read = msgspec.msgpack.Decoder(SetAsideMessage).decode


def find_flaw(payload: bytes) -> bytes:
    """A job: takes an encoded message and returns why the message is not a valid event, or an empty text."""
    message = _read(payload)
    headers = _headers(message.headers)
    if isinstance(headers, Unreadable):
        return f"the headers of the message cannot be read: {headers.reason}".encode()
    event = read_event(headers, message.body)
    return event.reason.encode() if isinstance(event, Unreadable) else b""
