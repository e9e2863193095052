"""How long to wait before a retry (dsl-reference, Retry); jitter is a hash, so a replay waits as long."""

import hashlib

from visapi_engine.machine.durations import LONGEST_MS
from visapi_engine.model.program import Backoff

_GROWTH_MAX = 64
"""Doubling 64 times passes any delay; a larger exponent would only overflow."""


def backoff_ms(backoff: Backoff, delay_ms: int, retry: int) -> int:
    """The delay before the `retry`-th retry (from 1), without jitter."""
    match backoff.kind:
        case "linear":
            grown = float(delay_ms * retry)
        case "exponential":
            grown = delay_ms * backoff.factor ** min(retry - 1, _GROWTH_MAX)
        case _:
            grown = float(delay_ms)
    ceiling = LONGEST_MS if backoff.max_delay_ms is None else backoff.max_delay_ms
    return round(min(grown, ceiling, LONGEST_MS))


def jitter_ms(low_ms: int, high_ms: int, *, run: str, path: str, retry: int) -> int:
    """A delay from `low_ms` to `high_ms`, spread over runs, paths and retries, always the same for one."""
    if high_ms <= low_ms:
        return low_ms
    digest = hashlib.sha256(f"{run}\0{path}\0{retry}".encode()).digest()
    return low_ms + int.from_bytes(digest[:8], "big") % (high_ms - low_ms + 1)
