"""A rate limit in one number per key: GCRA, the generic cell rate algorithm (ITU-T I.371).

The number is the theoretical arrival time of the next request of a caller that uses its full rate. `burst`
requests may arrive before that time.
"""

from typing import NamedTuple


class Limit(NamedTuple):
    per_s: float
    burst: int


class Verdict(NamedTuple):
    """The decision about one request. Times are in seconds."""

    allowed: bool
    arrival: float
    remaining: int
    reset_s: float
    """Time until the whole burst is available again."""
    retry_after_s: float


def admit(limit: Limit, arrival: float | None, now: float) -> Verdict:
    """Decide about one request at `now`. `arrival` is the number kept from the last request."""
    step = 1.0 / limit.per_s
    window = step * limit.burst
    base = now if arrival is None or arrival < now else arrival
    after = base + step
    excess = after - window - now
    if excess > 1e-9:
        return Verdict(False, base, 0, base - now, excess)
    return Verdict(True, after, int((window - (after - now)) / step + 1e-6), after - now, 0.0)
