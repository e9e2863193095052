"""A rate in one number: GCRA, the generic cell rate algorithm (ITU-T I.371).

The number is the theoretical arrival time of the next request of a caller that uses its full rate. `burst`
requests may arrive before that time. `lend` decides about many requests together; the statement `lease_rates`
in `queries.sql` applies the same rule for all gateways, by the database's clock.
"""

from typing import NamedTuple

_EPSILON = 1e-6


class Limit(NamedTuple):
    """Requests per second, and the burst."""

    per_s: float
    burst: int

    @property
    def step_s(self) -> float:
        """Seconds in which one token comes back."""
        return 1.0 / self.per_s

    @property
    def window_s(self) -> float:
        """Seconds in which all tokens come back."""
        return self.burst / self.per_s


class Lease(NamedTuple):
    """Granted tokens. `used` is the number of the burst's tokens in use now, including these."""

    granted: int
    used: float

    def left(self, limit: Limit) -> int:
        """Tokens that are not leased."""
        return max(0, int(limit.burst - self.used + _EPSILON))

    def next_in_s(self, limit: Limit) -> float:
        """Seconds until there is a token to lease."""
        return max(0.0, (self.used + 1.0 - limit.burst) * limit.step_s)


def lend(limit: Limit, arrival: float | None, now: float, wanted: int) -> tuple[Lease, float]:
    """Decide at `now` how many tokens are granted; returns the lease and the number to keep.

    A clock that was put back is borne: the number is at most the window ahead of `now`.
    """
    step_s = limit.step_s
    base = now if arrival is None else min(max(arrival, now), now + limit.window_s)
    used = (base - now) / step_s
    granted = max(0, min(wanted, int(limit.burst - used + _EPSILON)))
    return Lease(granted, used + granted), base + granted * step_s
