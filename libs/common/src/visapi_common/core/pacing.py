"""How much of a shared event loop each tenant may take: beyond its share its work is put off. Pure.

A virtual schedule for each tenant (as GCRA, which counts requests): work that takes `t` moves the schedule on
by `t / SHARE`; work whose place lies more than `AHEAD_S` in the future waits. How long work takes is known
only afterwards, so it is held to be as dear as the tenant's lately was, and corrected when it has ended.
"""

from collections.abc import Callable

SHARE = 0.25
AHEAD_S = 0.2
"""What a tenant may be ahead of its schedule: 50 ms of the event loop at once."""
_TENANTS_MAX = 1000


class Pace:
    """The schedules of all tenants. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._due: dict[str, float] = {}
        self._dear_s: dict[str, float] = {}

    def begin(self, tenant: str) -> tuple[float, float]:
        """How long work has to wait, and what it is held to take; its place is taken at once."""
        now = self._now()
        if len(self._due) > _TENANTS_MAX:
            self._due = {name: due for name, due in self._due.items() if due > now}
            self._dear_s = {name: self._dear_s[name] for name in self._due if name in self._dear_s}
        due = max(self._due.get(tenant, now), now)
        expected_s = self._dear_s.get(tenant, 0.0)
        self._due[tenant] = due + expected_s / SHARE
        return max(0.0, due - now - AHEAD_S), expected_s

    def drop(self, tenant: str, expected_s: float) -> None:
        """Work that was to begin will not."""
        if tenant in self._due:
            self._due[tenant] -= expected_s / SHARE

    def end(self, tenant: str, expected_s: float, took_s: float) -> None:
        """Work that was held to take `expected_s` has taken `took_s`."""
        now = self._now()
        self._due[tenant] = max(self._due.get(tenant, now) + (took_s - expected_s) / SHARE, now)
        self._dear_s[tenant] = (self._dear_s.get(tenant, took_s) + took_s) / 2
