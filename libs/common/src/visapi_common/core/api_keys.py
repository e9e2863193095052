"""API keys: `visapi_<kind>_<id>_<secret><crc32>`, all of it base62.

The id is public and identifies the key in lists and logs. The secret has 256 random bits, so a fast keyed
hash is enough to store it. The checksum (CRC-32 over everything before it) refuses a mistyped key before any
lookup. Only underscores separate the parts, so that a double click selects the whole key.
"""

import hmac
import re
import zlib
from dataclasses import dataclass, field

KINDS = ("live", "test", "admin")
ID_LENGTH = 16
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(
    rf"visapi_({'|'.join(KINDS)})_([0-9A-Za-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH}}}"
)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed key; only the stored hash tells whether it is valid."""

    kind: str
    id: str
    token: str = field(repr=False)


def mint(kind: str, id_bits: int, secret_bits: int) -> str:
    """A new key of `kind` from at least 96 and 256 random bits; surplus bits are dropped."""
    if kind not in KINDS:
        raise ValueError(f"the kind of a key is one of {', '.join(KINDS)}, not {kind!r}")
    public = _base62(id_bits, ID_LENGTH)
    secret = _base62(secret_bits & ((1 << 256) - 1), SECRET_LENGTH)
    head = f"visapi_{kind}_{public}_{secret}"
    return head + _checksum(head)


def parse(token: str) -> ParsedKey:
    """Parse a key. Raises `ValueError` when its format or its checksum is wrong."""
    head, checksum = token[:-CHECKSUM_LENGTH], token[-CHECKSUM_LENGTH:]
    match = _TOKEN.fullmatch(head)
    if match is None or checksum != _checksum(head):
        raise ValueError("this is not a VisAPI key: its form or its checksum is wrong")
    return ParsedKey(kind=match[1], id=match[2], token=token)


def hash_key(pepper: bytes, token: str) -> bytes:
    """What is stored of a key: HMAC-SHA-256 of the whole token, 32 bytes."""
    return hmac.digest(pepper, token.encode(), "sha256")


def hash_matches(expected: bytes, given: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(expected, given)


def _checksum(head: str) -> str:
    return _base62(zlib.crc32(head.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
