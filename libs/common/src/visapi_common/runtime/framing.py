"""Messages between a process and its child: a 4-byte big-endian length, then msgpack."""

import msgspec

_encode = msgspec.msgpack.Encoder().encode


def frame(message: msgspec.Struct) -> bytes:
    """A message as it travels."""
    body = _encode(message)
    return len(body).to_bytes(4, "big") + body
