"""Retry delays: exponential backoff with full jitter, and Retry-After."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def full_jitter_s(attempt: int, *, base_s: float, cap_s: float, draw: float) -> float:
    """Seconds to wait before attempt `attempt + 1`; `draw` is a random number in [0, 1)."""
    return draw * min(cap_s, base_s * 2.0 ** min(attempt - 1, 60))


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110 section 10.2.3); `None` when unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 10 else None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
