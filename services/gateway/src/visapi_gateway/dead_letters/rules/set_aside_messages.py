"""Messages that were set aside: whether the orchestrator could take one in as an event. Pure."""

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.core.cloudevents import read_event

_EVENTS = subjects.EVENTS_ALL.removesuffix(">")
_headers = Reader(dict[str, str])
_encode = msgspec.msgpack.Encoder().encode


class SetAsideMessage(msgspec.Struct, frozen=True):
    """The message of a dead letter. `headers` is JSON; `tenant_exists` says so of the letter's tenant."""

    subject: str
    headers: bytes
    body: bytes
    tenant_exists: bool

    @property
    def is_event(self) -> bool:
        """Whether it came on the stream of events; what came on another cannot be put back at all."""
        return self.subject.startswith(_EVENTS)

    def encoded(self) -> bytes:
        return _encode(self)


_read = msgspec.msgpack.Decoder(SetAsideMessage).decode


def find_flaw(payload: bytes) -> bytes:
    """A job: an encoded message; why there is no event in it as text, empty when there is one."""
    message = _read(payload)
    headers = _headers(message.headers)
    if isinstance(headers, Unreadable):
        return f"its headers cannot be read: {headers.reason}".encode()
    event = read_event(headers, message.body)
    return event.reason.encode() if isinstance(event, Unreadable) else b""
