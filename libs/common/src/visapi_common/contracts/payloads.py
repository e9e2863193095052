"""A value on the wire or in a row: inline, or a reference into the artifact store.

Above `INLINE_LIMIT` bytes of JSON a value travels by reference, because NATS refuses messages
over 1 MiB and rows should stay small (ARCHITECTURE.md, The ledger).
"""

import msgspec

INLINE_LIMIT = 64 * 1024
PAYLOAD_LIMIT = 16 * 1024 * 1024


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """Exactly one of `inline` and `ref` is set; `size` is in bytes of JSON, `sha256` in hex."""

    inline: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    ref: str | None = None
    size: int | None = None
    sha256: str | None = None


NULL = Payload(inline=msgspec.Raw(b"null"))


def inline(raw: bytes) -> Payload:
    """Wrap encoded JSON. The caller has checked its size."""
    return Payload(inline=msgspec.Raw(raw))


class Encoded(msgspec.Struct, frozen=True):
    """An output that a handler returns as encoded JSON, which is passed on unchanged. The process that made
    the JSON guarantees that it is valid and at most `OUTPUT_DEPTH_MAX` levels deep.
    """

    json: bytes
