"""Keyrings: the keys of one secret. One key is used now; the others are still accepted.

A ring is written as keys in hex, separated by commas or whitespace, each with the time from which it is
used: `9f3c…@2026-12-01T12:00:00Z, 41ab…`. The oldest key may be without a time. A key is accepted as soon as
the ring has it, so a rotation adds a key with a time that lies after the restart of every replica, and takes
the old key out when nothing depends on it any more (docs/how-to/rotate-every-secret.md).

Keys have ids, derived from them, that are stored beside whatever they made. An id is a hint of what to try
first, and tells a missing key from a wrong value. A run needs no id of a key: it keeps to the key that was
used when it was created, however long it lives.
"""

import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from visapi_common.core.errors import OperatorFault

KEYS_MAX = 4
"""A value without a known id is tried with each key of a ring."""
BYTES_MAX = 256

_SEPARATORS = re.compile(r"[,\s]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


class MissingKeyError(OperatorFault):
    """Something was made with a key that this process does not have."""

    SORT = "keys"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, sort=self.SORT)


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `since_ms` is the Unix time from which it is used; 0 is from ever."""

    secret: bytes = field(repr=False)
    since_ms: int = 0
    id: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hmac.digest(self.secret, b"visapi key id", "sha256")
        object.__setattr__(self, "id", digest[:4].hex())


@dataclass(frozen=True, slots=True)
class Keyring:
    """See the module's docstring. The newest key is the first."""

    keys: tuple[Key, ...]

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """A ring of one key."""
        return cls((Key(secret),))

    @classmethod
    def read(cls, text: str, *, bytes_min: int = 1, bytes_max: int = BYTES_MAX) -> Self:
        """Raises `ValueError`, which shows no part of a key."""
        parts = [part for part in _SEPARATORS.split(text) if part]
        if not 1 <= len(parts) <= KEYS_MAX:
            raise ValueError(f"expected 1 to {KEYS_MAX} keys, found {len(parts)}")
        keys = sorted((_key(part) for part in parts), key=lambda key: -key.since_ms)
        for key in keys:
            if not bytes_min <= len(key.secret) <= bytes_max:
                raise ValueError(f"a key has {len(key.secret)} bytes; allowed: {bytes_min} to {bytes_max}")
        if len({key.since_ms for key in keys}) < len(keys):
            raise ValueError("each key but the oldest needs a time of its own: <hex>@2026-12-01T12:00:00Z")
        if len({key.id for key in keys}) < len(keys):
            raise ValueError("the same key stands there twice")
        return cls(tuple(keys))

    def text(self) -> str:
        """The ring as `read` takes it, one key a line."""
        return "".join(f"{key.secret.hex()}{_since(key)}\n" for key in self.keys)

    def at(self, now: datetime) -> Key:
        """The key that is used at this time."""
        return self.then(now) or self.keys[-1]

    def named(self, ident: str | None) -> Key | None:
        return next((key for key in self.keys if key.id == ident), None)

    def to_try(self, ident: str | None) -> tuple[Key, ...]:
        """All keys, the key with this id first."""
        first = self.named(ident)
        return self.keys if first is None else (first, *(key for key in self.keys if key is not first))

    def lacks(self, ident: str | None) -> bool:
        """Whether the ring lacks the key with this id. A value without an id was made before ids existed."""
        return ident is not None and self.named(ident) is None

    def then(self, moment: datetime) -> Key | None:
        """The key that was used at this time; None where only later keys are here."""
        return self._since((moment - _EPOCH) // _MS)

    def _since(self, ms: int) -> Key | None:
        for key in self.keys:
            if key.since_ms <= ms:
                return key
        return None


def _key(text: str) -> Key:
    digits, mark, since = text.partition("@")
    if not _HEX.fullmatch(digits):
        raise ValueError("expected an even number of hex digits")
    if not mark:
        return Key(bytes.fromhex(digits))
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.timestamp() <= 0:
        raise ValueError(f"{since[:40]!r} is no time with a zone, such as 2026-12-01T12:00:00Z")
    return Key(bytes.fromhex(digits), (moment - _EPOCH) // _MS)


def _since(key: Key) -> str:
    if not key.since_ms:
        return ""
    return f"@{datetime.fromtimestamp(key.since_ms / 1000, UTC).isoformat().replace('+00:00', 'Z')}"
