"""The only decoder of foreign bytes. It returns a value or `Unreadable`, and never raises.

Bytes from workers, clients, servers and third parties are decoded only here (`make check` refuses other
decoders): NATS messages, HTTP bodies and responses to calls. Rows and envelopes that VisAPI wrote itself are
decoded elsewhere.

msgspec alone is not enough. It raises `UnicodeDecodeError` and `RecursionError`, which are not
`DecodeError`s; it skips `Raw` and unknown members without checking their text; and it accepts deeper nesting
than later readers (jq, JSON Schema, `copy`, the encoder). So size, UTF-8, depth and U+0000 are checked first,
in linear time.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, islice
from typing import Any, Generic, TypeVar, overload

import msgspec

DEPTH_MAX = 64
"""Levels of arrays and objects in a message that carries no value of a user, as in an HTTP body."""

VALUE_DEPTH_MAX = 128
"""Levels in a message or answer that carries a value. A run wraps values deeper as it goes on, and the
shallowest reader behind this one (JSON Schema) ends at 255."""

OUTPUT_DEPTH_MAX = VALUE_DEPTH_MAX - 4
"""Levels of a task's output: it stands within a result."""

BUILT_DEPTH_MAX = 200
"""Levels that the engine lets a value have which a run builds from others."""

STORED_DEPTH_MAX = BUILT_DEPTH_MAX + 16
"""Levels in a message or answer that carries such a value."""

MESSAGE_BYTES_MAX = 1024 * 1024
"""NATS's own limit of a message (`max_payload`)."""

_REASON_MAX = 200
_SLICE = 64 * 1024
_FEWER = 0.75

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_UNPRINTABLE = re.compile(r"[^ -~]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_STEPS = {ord("["): 1, ord("]"): -1}
_SCRAPS_MAX = 1000

T = TypeVar("T")


class Unreadable(msgspec.Struct, frozen=True):
    """The reason why bytes cannot be read: one short line of printable ASCII."""

    reason: str


class NewerFormat(Unreadable, frozen=True):
    """A message of a later release in a format that this one does not know; replicas that do take it."""


class Reader(Generic[T]):
    """Decodes one kind of message, with a decoder that is built once.

    `nul` allows the character U+0000 in texts: PostgreSQL keeps it in bytes, not in text columns. `newest` is
    the highest version (`v`) that is understood: bytes of a higher one are `NewerFormat`, also where they
    could be decoded.
    """

    @overload
    def __init__(
        self,
        kind: type[T],
        *,
        depth_max: int = ...,
        bytes_max: int = ...,
        nul: bool = ...,
        newest: int | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Reader[Any]",
        kind: Any,
        *,
        depth_max: int = ...,
        bytes_max: int = ...,
        nul: bool = ...,
        newest: int | None = ...,
    ) -> None: ...
    def __init__(
        self,
        kind: Any,
        *,
        depth_max: int = DEPTH_MAX,
        bytes_max: int = MESSAGE_BYTES_MAX,
        nul: bool = False,
        newest: int | None = None,
    ) -> None:
        self._newest = newest
        self._decode = msgspec.json.Decoder(kind).decode
        self._depth_max = depth_max
        self._bytes_max = bytes_max
        self._nul = nul

    def __call__(self, data: bytes) -> T | Unreadable:
        """The value of `data`, or the reason why it cannot be read."""
        # A fast check accepts nearly every message; only the others are inspected in full.
        if (
            len(data) > self._bytes_max
            or not data.isascii()
            or data.count(b"[") + data.count(b"{") > self._depth_max
            or (not self._nul and b"\\u0000" in data)
        ):
            flaw = flaw_of(data, depth_max=self._depth_max, bytes_max=self._bytes_max, nul=self._nul)
            if flaw is not None:
                return Unreadable(flaw)
        try:
            value = self._decode(data)
        except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as wrong:
            return self._newer(version_of(data)) or Unreadable(safe_reason(str(wrong)))
        if self._newest is None:
            return value
        return self._newer(value.v) or value

    def _newer(self, version: int) -> NewerFormat | None:
        if self._newest is None or version <= self._newest:
            return None
        return NewerFormat(
            safe_reason(f"its format is {version}, and this release reads up to {self._newest}")
        )


class _Versioned(msgspec.Struct, frozen=True):
    v: int = 1


_decode_version = msgspec.json.Decoder(_Versioned).decode
_VERSION = b'"v"'


def version_of(body: bytes) -> int:
    """The `v` of a JSON object; 1 where it has none, or where the bytes are something else."""
    if _VERSION not in body:
        return 1
    try:
        return _decode_version(body).v
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 1


def read_as(
    kind: type[T],
    data: bytes,
    *,
    depth_max: int = VALUE_DEPTH_MAX,
    bytes_max: int = MESSAGE_BYTES_MAX,
    nul: bool = True,
) -> T | Unreadable:
    """Decode one value whose type is known only at the call; `Reader` is for many messages."""
    return _reader(kind, depth_max, bytes_max, nul)(data)


@cache
def _reader(kind: Any, depth_max: int, bytes_max: int, nul: bool) -> Reader[Any]:
    return Reader(kind, depth_max=depth_max, bytes_max=bytes_max, nul=nul)


def flaw_of(data: bytes, *, depth_max: int, bytes_max: int, nul: bool = True) -> str | None:
    """Why `data` must not be passed to a JSON decoder; None when it may. It need not be valid JSON."""
    if len(data) > bytes_max:
        return f"{len(data)} bytes, at most {bytes_max} are read"
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as wrong:
            return f"not UTF-8: byte {wrong.start} of a text cannot be read"
    if deeper_than(data, depth_max):
        return f"nested deeper than {depth_max} levels"
    if not nul and b"\\u0000" in data and _NUL.search(data):
        return "a text holds the character U+0000"
    return None


def deeper_than(data: bytes, depth_max: int) -> bool:
    """Whether arrays and objects are nested deeper, for any bytes, in linear time."""
    if data.count(b"[") + data.count(b"{") <= depth_max:
        return False
    text = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    outside = b"".join(text.split(b'"')[::2])
    marks = outside.translate(_ONE_KIND, _NOT_BRACKETS)
    # Remove innermost pairs while that removes many: little of an ordinary document is left to count.
    limit = depth_max
    while len(marks) > 2 * limit and limit > 0:
        fewer = marks.replace(b"[]", b"")
        if len(fewer) > _FEWER * len(marks):
            break
        marks, limit = fewer, limit - 1
    if marks.count(b"[") <= limit:
        return False
    depth = 0
    for start in range(0, len(marks), _SLICE):
        depths = list(accumulate(map(_STEPS.__getitem__, marks[start : start + _SLICE]), initial=depth))
        if max(depths) > limit:
            return True
        depth = depths[-1]
    return False


def scraps(data: bytes, *names: str) -> Iterator[bytes]:
    """Objects made of plain members with these names, wherever they stand in `data`: their first occurrences,
    and their last ones. For finding out whose a message is that cannot be read as a whole; whoever asks must
    have a proof among them, because a user's own data may hold such members too.
    """
    found = [(one[1], one[2]) for one in islice(_scrap(names).finditer(data), _SCRAPS_MAX)]
    for members in (dict(reversed(found)), dict(found)):
        object_ = b"{%b}" % b",".join(b'"%b":%b' % member for member in members.items())
        yield object_.decode("utf-8", "replace").encode()


@cache
def _scrap(names: tuple[str, ...]) -> "re.Pattern[bytes]":
    any_name = "|".join(map(re.escape, names)).encode()
    return re.compile(rb'"(%b)"\s*+:\s*+("(?:[^"\\]++|\\.)*+"|-?\d{1,20})' % any_name, re.DOTALL)


def safe_reason(text: str) -> str:
    """A decoder's message, made safe for logs, because it may quote foreign bytes."""
    shown = _UNPRINTABLE.sub("?", text)
    return shown if len(shown) <= _REASON_MAX else shown[: _REASON_MAX - 3] + "..."
