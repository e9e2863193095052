"""Decodes the content codings of a response (RFC 9110 section 8.4) within a limit of memory.

A body with an unknown coding stays encoded, and its codings are reported.
"""

import zlib
from typing import Protocol

RATIO_MAX = 100
RATIO_FREE_BYTES = 1024 * 1024
"""Below this size the ratio is not checked, because small repetitive responses compress very well."""
CODINGS_MAX = 4
MEMBERS_MAX = 10_000
"""The most members of a gzip stream: even an empty member costs time."""

_GZIP = frozenset({"gzip", "x-gzip"})
_ZLIB_WITH_HEADER, _ZLIB_RAW, _ZLIB_GZIP = zlib.MAX_WBITS, -zlib.MAX_WBITS, zlib.MAX_WBITS | 16


class _Broken(Exception):
    """The body cannot be decoded further; the text says why."""


class _Inflater(Protocol):
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


class BodyDecoder:
    """Decodes the raw pieces of a body. `body` is the decoded body, `cut` the reason why decoding stopped
    early.
    """

    def __init__(self, codings: str, limit: int) -> None:
        self.body = bytearray()
        self.cut: str | None = None
        self._limit = limit
        self._read = 0
        names = [name for name in (part.strip().lower() for part in codings.split(",")) if name]
        names = [name for name in names if name != "identity"]
        known = all(name in _GZIP or name == "deflate" for name in names)
        self.coding = None if known else ", ".join(names)[:80]
        """The remaining codings, where one of them is unknown."""
        self._layers = [_Layer(name, limit) for name in reversed(names)] if known else []
        if known and len(names) > CODINGS_MAX:
            self.cut = f"the body has more than {CODINGS_MAX} content codings"

    def feed(self, chunk: bytes) -> None:
        """Decode one raw piece; sets `cut` when the response must not be read further."""
        self._read += len(chunk)
        if self.cut:
            return
        try:
            # The ratio applies to each coding, so that a bomb is found before it is fully decompressed.
            allowed = min(self._limit, max(RATIO_FREE_BYTES, RATIO_MAX * self._read))
            for layer in self._layers:
                chunk = layer.feed(chunk, allowed)
        except _Broken as broken:
            self.cut = str(broken)
            return
        room = self._limit - len(self.body)
        self.body += chunk[:room]
        if len(chunk) > room or self._read > 2 * self._limit:
            self.cut = f"the body is larger than {self._limit} bytes"
        elif len(self.body) > RATIO_FREE_BYTES and len(self.body) > RATIO_MAX * self._read:
            self.cut = f"the body expands more than {RATIO_MAX} times"

    def end(self) -> None:
        """Finish; sets `cut` when a coding ended early."""
        if self.cut is None and self._read and not all(layer.whole for layer in self._layers):
            self.cut = "the compressed body ends too early"


class _Layer:
    """One coding: gzip with any number of members, or deflate with or without zlib's header."""

    def __init__(self, name: str, limit: int) -> None:
        self._gzip = name in _GZIP
        self._limit = limit
        self._inflater: _Inflater | None = None
        self._members = 0
        self._made = 0
        self._held = b""
        self._over = False

    @property
    def whole(self) -> bool:
        return self._over or (self._inflater is not None and self._inflater.eof)

    def feed(self, data: bytes, allowed: int) -> bytes:
        """The decoded bytes, all together at most one more than `allowed`. Raises `_Broken`."""
        room = allowed + 1 - self._made
        found = bytearray()
        data = self._held + data
        self._held = b""
        while data and not self._over:
            if (self._inflater is None or self._inflater.eof) and not self._begin(data):
                break
            assert self._inflater is not None
            try:
                found += self._inflater.decompress(data, room - len(found))
            except zlib.error as error:
                raise _Broken(f"the compressed body is broken: {error}") from error
            if len(found) >= room:
                break
            data = self._inflater.unused_data
        self._made += len(found)
        if self._made > allowed:
            if allowed == self._limit:
                raise _Broken(f"the body is larger than {self._limit} bytes")
            raise _Broken(f"the body expands more than {RATIO_MAX} times")
        return bytes(found)

    def _begin(self, data: bytes) -> bool:
        """Start the first or the next member; False where more bytes are needed, or none follow."""
        if self._members and not (self._gzip and data.startswith(b"\x1f\x8b"[: len(data)])):
            self._over = True  # what follows the end is padding
            return False
        if len(data) < 2:
            self._held = data
            return False
        self._members += 1
        if self._members > MEMBERS_MAX:
            raise _Broken(f"the compressed body has more than {MEMBERS_MAX} members")
        self._inflater = zlib.decompressobj(_ZLIB_GZIP if self._gzip else _deflate_window(data))
        return True


def _deflate_window(data: bytes) -> int:
    """Detect zlib's header by its checksum (RFC 1950); some servers send deflate without the header."""
    has_header = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return _ZLIB_WITH_HEADER if has_header else _ZLIB_RAW
