"""Decodes JSON from outside, once, before the machine uses it."""

from typing import Any

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable, read_as
from visapi_common.contracts.payloads import PAYLOAD_LIMIT

_read = Reader(Any, depth_max=STORED_DEPTH_MAX, bytes_max=PAYLOAD_LIMIT, nul=True)


class UnreadableValue(Exception):
    """The bytes are no JSON, or nested deeper than can be read; the text says which."""


def read_json(body: bytes, type_: Any = Any) -> Any:
    """Decode JSON, as `type_` where one is given. Raises `UnreadableValue`.

    The value may be what another run has built, which may be deeper than what comes from outside.
    """
    if type_ is Any:
        value = _read(body)
    else:
        value = read_as(type_, body, depth_max=STORED_DEPTH_MAX, bytes_max=PAYLOAD_LIMIT)
    if isinstance(value, Unreadable):
        raise UnreadableValue(value.reason)
    return value
