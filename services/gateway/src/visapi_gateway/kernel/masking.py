"""Stored JSON as keys may see it: what is secret or personal is masked. What is kept of it is small."""

from typing import Any

import msgspec

from visapi_common.contracts.foreign import Unreadable, read_as
from visapi_common.core.redact import redact, redact_text

SMALL = 32 * 1024
"""Bytes that are decoded in the event loop, in less than a millisecond."""

_encode = msgspec.json.Encoder().encode


def masked(raw: bytes) -> Any:
    """The value without what is secret or personal; text that is no object of JSON is masked as text."""
    value = read_as(dict[str, Any], raw)
    return masked_text(raw) if isinstance(value, Unreadable) else redact(value)


def masked_text(raw: bytes) -> str:
    return redact_text(raw.decode("utf-8", "replace"))


def mask(payload: bytes) -> bytes:
    """A job: takes JSON and returns it masked."""
    return _encode(masked(payload))
