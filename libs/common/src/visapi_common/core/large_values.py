"""Large values taken out of a JSON document, and put back into it. Pure.

The stored form is an envelope, `{"large":[…],"of":…}`: the remaining small document, and the original place
and the reference of each large value. References are kept outside of the document, so user data cannot forge
one, and no stored document starts like an envelope.

A large list or object is cut after each `limit` bytes of members, counted from its start, and eight
neighbouring pieces are merged into one. A value that only grows at its end therefore keeps its pieces, and a
value that grows to n bytes is stored about log(n) times, not once per growth.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple, TypeAlias

import msgspec

from visapi_common.contracts.payloads import PAYLOAD_LIMIT, Payload

Structure: TypeAlias = Mapping[str, "Structure | None"]
"""The structure of a document, which stays in place: members by name, `*` for all others and for list items.
A member with None stays too; an unnamed member is a value. `{}` has only values.
"""

DEPTH_MAX = 64
MEMBERS_MAX = 1_000_000
"""A value that may have more members is moved as a whole, because inspecting each member would take too
long.
"""
_FAN = 8
_PIECES_MAX = 64
"""The most pieces that are merged into one: less than 8 MiB, half of the largest payload."""

_PREFIX = b'{"large":['
_encode = msgspec.json.Encoder().encode
_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Extracted(NamedTuple):
    """A large value that was moved out. `at` is its path of member indexes from the root of the document.

    `n` members from there on, as a list or an object of their own; 0 for the value itself.
    """

    at: tuple[int, ...]
    n: int
    value: bytes


class EnvelopeEntry(msgspec.Struct, frozen=True):
    """An entry of an envelope: a large value and its reference."""

    at: tuple[int, ...]
    n: int
    ref: str
    size: int
    sha256: str

    @property
    def payload(self) -> Payload:
        return Payload(ref=self.ref, size=self.size, sha256=self.sha256)


class Envelope(msgspec.Struct, frozen=True):
    """A document without its large values."""

    large: list[EnvelopeEntry]
    of: msgspec.Raw


_read_envelope = msgspec.json.Decoder(Envelope).decode


def split(document: bytes, limit: int, structure: Structure) -> tuple[bytes, list[Extracted]]:
    """Split a document into the part without values above `limit` bytes, and these values.

    A value leaves less than `limit` behind, and nothing at all where the rest would still be too long.
    """
    small, taken = _cut(document, limit, structure, closing=False)
    return (small, taken) if len(small) <= limit else _cut(document, limit, structure, closing=True)


def join(small: bytes, taken: Iterable[Extracted]) -> bytes:
    """Restore the document. Raises `ValueError` when a value does not match its place."""
    return _filled(small, list(taken))


def sealed(small: bytes, taken: Sequence[Extracted], refs: Mapping[bytes, Payload]) -> bytes:
    """The envelope; `refs` says where each value lies."""
    large: list[EnvelopeEntry] = []
    for at, n, value in taken:
        where = refs[value]
        large.append(EnvelopeEntry(at, n, where.ref or "", where.size or 0, where.sha256 or ""))
    return _encode(Envelope(large, msgspec.Raw(small)))


def opened(stored: bytes) -> Envelope | None:
    """The envelope, if the document is stored as one."""
    return _read_envelope(stored) if stored.startswith(_PREFIX) else None


def small_part(stored: bytes) -> bytes:
    """The part of the document in its row; large values are null or empty there."""
    envelope = opened(stored)
    return stored if envelope is None else bytes(envelope.of)


def _cut(
    document: bytes, limit: int, structure: Structure, *, closing: bool
) -> tuple[bytes, list[Extracted]]:
    cut = _Cut(limit, closing=closing)
    return cut.structure(document, (), structure), cut.taken


class _Cut:
    """One way through a document. `closing`: the last piece of a value takes along what is left of it."""

    def __init__(self, limit: int, *, closing: bool) -> None:
        self._limit = limit
        self._closing = closing
        self.taken: list[Extracted] = []
        """In the order in which they are put back: what holds another one before it."""

    def structure(self, text: bytes, at: tuple[int, ...], shape: Structure) -> bytes:
        """Cut the values of the structure, and leave the structure itself."""
        if len(text) <= self._limit:
            return text
        if not _is_container(text):
            return self._value(text, at)
        keys, values = _members(text)
        for place, value in enumerate(values):
            if len(value) > self._limit:
                values[place] = self._member(value, (*at, place), shape, "*" if keys is None else keys[place])
        return _composed(keys, values)

    def _member(self, text: bytes, at: tuple[int, ...], shape: Structure, name: str) -> bytes:
        if name not in shape and "*" not in shape:
            return self._value(text, at)
        inner = shape[name] if name in shape else shape["*"]
        return text if inner is None else self.structure(text, at, inner)

    def _value(self, text: bytes, at: tuple[int, ...]) -> bytes:
        """What is left of a value above the limit."""
        if not _is_container(text):
            self.taken.append(Extracted(at, 0, text))
            return b"null"
        dense = text.count(b",") > MEMBERS_MAX and len(text) <= PAYLOAD_LIMIT
        if dense or len(at) >= DEPTH_MAX:
            self.taken.append(Extracted(at, 0, text))
            return b"[]" if text[:1] == b"[" else b"{}"
        mark = len(self.taken)
        keys, values = _members(text)
        for place, value in enumerate(values):
            if len(value) > self._limit:
                values[place] = self._value(value, (*at, place))
        pieces = self._pieces(keys, values)
        self.taken[mark:mark] = [
            Extracted((*at, start), stop - start, _composed(keys and keys[start:stop], values[start:stop]))
            for start, stop in pieces
        ]
        for start, stop in reversed(pieces):
            del values[start:stop]
            if keys is not None:
                del keys[start:stop]
        return _composed(keys, values)

    def _pieces(self, keys: list[str] | None, values: list[bytes]) -> list[tuple[int, int]]:
        """Where a list or an object is cut: [start, stop) of its members, in order."""
        sizes = [len(value) + 1 for value in values] if keys is None else map(_size, keys, values)
        ends = list(accumulate(sizes))
        cuts, start, before = list[tuple[int, int]](), 0, 0
        while (place := bisect_right(ends, before + self._limit)) < len(ends):
            cuts.append((start, place + 1))
            start, before = place + 1, ends[place]
        last = [(cuts.pop()[0], len(values))] if self._closing and cuts and start < len(values) else []
        return _merged(cuts) + last


def _merged(cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours together, as the digits of their number say: 64s, then 8s, then what is left."""
    merged: list[tuple[int, int]] = []
    at = 0
    while at < len(cuts):
        count = 1
        while count * _FAN <= min(len(cuts) - at, _PIECES_MAX):
            count *= _FAN
        merged.append((cuts[at][0], cuts[at + count - 1][1]))
        at += count
    return merged


def _filled(text: bytes, taken: list[Extracted]) -> bytes:
    """`text` with everything put back; `at` counts from it."""
    if not taken:
        return text
    if not taken[0].at:
        return taken[0].value
    keys, values = _members(text)
    runs = [one for one in taken if len(one.at) == 1 and one.n]
    deeper = [one for one in taken if len(one.at) > 1 or not one.n]
    if not deeper:
        return _spliced(text[:1], _texts(keys, values), runs)
    for at, n, value in runs:
        more_keys, more = _members(value)
        if len(more) != n or (more_keys is None) != (keys is None):
            raise ValueError(f"{n} members were taken out at {at[0]}; not {len(more)}")
        values[at[0] : at[0]] = more
        if keys is not None and more_keys is not None:
            keys[at[0] : at[0]] = more_keys
    for place, within in groupby(deeper, key=_first):
        if place >= len(values):
            raise ValueError(f"something was taken out of member {place} of {len(values)}")
        values[place] = _filled(values[place], [Extracted(at[1:], n, value) for at, n, value in within])
    return _composed(keys, values)


def _spliced(kind: bytes, texts: list[bytes], runs: list[Extracted]) -> bytes:
    """Members put back as they are; nothing else was taken out of them."""
    parts: list[bytes] = []
    used = place = 0
    for at, n, value in runs:
        upto = used + at[0] - place
        if value[:1] != kind or not used <= upto <= len(texts):
            raise ValueError(f"{n} members were taken out at {at[0]} of another value")
        parts += texts[used:upto]
        parts.append(value[1:-1])
        used, place = upto, at[0] + n
    return _bracketed(kind, parts + texts[used:])


def _first(taken: Extracted) -> int:
    return taken.at[0]


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + 4


def _is_container(text: bytes) -> bool:
    return text[:1] in (b"[", b"{")


def _members(text: bytes) -> tuple[list[str] | None, list[bytes]]:
    """The keys of an object, None for a list; and the members. Numbers keep their text."""
    raw: Iterable[Any]
    if text[:1] == b"{":
        found = _read_object(text)
        keys, raw = list(found), found.values()
    else:
        keys, raw = None, _read_list(text)
    return keys, list(map(bytes, raw))


def _texts(keys: list[str] | None, values: list[bytes]) -> list[bytes]:
    if keys is None:
        return values
    return [b"%b:%b" % pair for pair in zip(map(_encode, keys), values, strict=True)]


def _composed(keys: list[str] | None, values: list[bytes]) -> bytes:
    return _bracketed(b"[" if keys is None else b"{", _texts(keys, values))


def _bracketed(kind: bytes, texts: list[bytes]) -> bytes:
    return (b"[%b]" if kind == b"[" else b"{%b}") % b",".join(texts)
