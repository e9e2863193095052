"""Opaque handles that represent secrets while a workflow runs (docs/explanation/how-secrets-are-kept.md).

A handle names a secret, or a member of one, and carries a MAC bound to the run. Only the worker that makes
the call verifies the handle and replaces it. A handle of another run, or a forged one, stays text.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

HANDLE_MARK = b"vsec1."
"""How each handle begins."""
_HANDLE = re.compile(r"vsec1\.([A-Za-z0-9_-]{1,2000})\.([0-9a-f]{32})\.")
_decode = msgspec.json.Decoder(list[str]).decode

Path = tuple[str, ...]
"""The secret's name, then members of its value."""


def run_key(secret: bytes, run: UUID) -> bytes:
    """The key of one run's handles."""
    return hmac.digest(secret, b"handles" + run.bytes, "sha256")


def make_handle(key: bytes, path: Sequence[str]) -> str:
    """The handle of a secret in the run whose key this is."""
    name = urlsafe_b64encode(msgspec.json.encode(list(path))).decode().rstrip("=")
    return f"vsec1.{name}.{_mac(key, name)}."


def handles_in(text: str, key: bytes) -> list[tuple[int, int, Path]]:
    """The valid handles in a text: the start and end of each, and the secret that it names."""
    found: list[tuple[int, int, Path]] = []
    for match in _HANDLE.finditer(text):
        if not hmac.compare_digest(match[2], _mac(key, match[1])):
            continue
        try:
            name = urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
            found.append((match.start(), match.end(), tuple(_decode(name))))
        except (Base64Error, ValueError, msgspec.DecodeError):
            continue
    return found


Nested = dict[str, "str | Nested"]


def nested(key: bytes, paths: Iterable[Sequence[str]]) -> Nested:
    """The value of `$secrets` in a run: handles by name."""
    found: Nested = {}
    for path in paths:
        level = found
        for name in path[:-1]:
            inner = level.setdefault(name, {})
            assert isinstance(inner, dict), "a secret is used whole or by members, not both"
            level = inner
        level[path[-1]] = make_handle(key, path)
    return found


def _mac(key: bytes, name: str) -> str:
    return hmac.digest(key, name.encode(), "sha256").hex()[:32]
