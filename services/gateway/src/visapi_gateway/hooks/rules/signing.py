"""Signatures: HMACs of raw bytes, compared in constant time. Pure."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from typing import Literal

Algorithm = Literal["sha1", "sha256", "sha384", "sha512"]
Encoding = Literal["hex", "base64"]

GIVEN_MAX = 8
"""Signatures of one request that are looked at: a provider that rotates its secret sends two."""


def is_signed(
    keys: Sequence[bytes],
    signed: bytes,
    given: Sequence[str],
    *,
    algorithm: Algorithm = "sha256",
    encoding: Encoding = "hex",
) -> bool:
    """Whether one of the `given` signatures is the HMAC of `signed` with one of the keys. Every pair is
    compared, as text, so that each signature has exactly one spelling.
    """
    wanted = [_encoded(hmac.digest(key, signed, algorithm), encoding) for key in keys]
    known = [text.encode("latin-1", "replace") for text in given[:GIVEN_MAX]]
    return sum(hmac.compare_digest(each, one) for each in wanted for one in known) > 0


def is_same(given: str, expected: Sequence[str]) -> bool:
    """Whether a text is one of the expected ones; hashed first, so that their lengths show nowhere."""
    digest = hashlib.sha256(given.encode("utf-8", "replace")).digest()
    return sum(hmac.compare_digest(digest, hashlib.sha256(each.encode()).digest()) for each in expected) > 0


def content_id(body: bytes) -> str:
    """The id of a delivery that has none of its own."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _encoded(digest: bytes, encoding: Encoding) -> bytes:
    return digest.hex().encode() if encoding == "hex" else b64encode(digest)
