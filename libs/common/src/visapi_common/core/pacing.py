"""Limits each tenant's share of a shared event loop by delaying its work. Pure.

In `TenantPacer` each tenant has a virtual schedule (like GCRA, but of time instead of requests): work that
takes `t` advances the schedule by `t / SHARE`, and work that is scheduled more than `AHEAD_S` ahead waits.
The duration is known only afterwards, so it is estimated from the tenant's recent work and corrected at the
end. Where each piece of work costs about the same, a `Bucket` counts pieces.
"""

from collections.abc import Callable

SHARE = 0.25
AHEAD_S = 0.2
"""How far a tenant may be ahead of its schedule: 50 ms of the event loop at once."""
_TENANTS_MAX = 1000


class TenantPacer:
    """The schedules of all tenants. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._due: dict[str, float] = {}
        self._dear_s: dict[str, float] = {}

    def begin(self, tenant: str) -> tuple[float, float]:
        """Schedule work. Returns how long it has to wait, and its estimated duration."""
        now = self._now()
        if len(self._due) > _TENANTS_MAX:
            self._due = {name: due for name, due in self._due.items() if due > now}
            self._dear_s = {name: self._dear_s[name] for name in self._due if name in self._dear_s}
        due = max(self._due.get(tenant, now), now)
        expected_s = self._dear_s.get(tenant, 0.0)
        self._due[tenant] = due + expected_s / SHARE
        return max(0.0, due - now - AHEAD_S), expected_s

    def drop(self, tenant: str, expected_s: float) -> None:
        """Remove scheduled work that will not start."""
        if tenant in self._due:
            self._due[tenant] -= expected_s / SHARE

    def end(self, tenant: str, expected_s: float, took_s: float) -> None:
        """Correct the schedule: work estimated at `expected_s` took `took_s`."""
        now = self._now()
        self._due[tenant] = max(self._due.get(tenant, now) + (took_s - expected_s) / SHARE, now)
        self._dear_s[tenant] = (self._dear_s.get(tenant, took_s) + took_s) / 2


class Bucket:
    """Lets `burst` pieces of work through at once, and `per_s` in each second (GCRA)."""

    def __init__(self, per_s: float, burst: int, now: Callable[[], float]) -> None:
        self._each_s = 1 / per_s
        self._ahead_s = burst / per_s
        self._now = now
        self._due = now()

    def take(self) -> float:
        """Schedule one piece; how long it has to wait."""
        now = self._now()
        self._due = max(self._due, now) + self._each_s
        return max(0.0, self._due - now - self._ahead_s)
