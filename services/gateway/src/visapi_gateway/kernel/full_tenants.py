"""Tenants that have reached their limit of open runs: the gateway refuses further runs.

The orchestrator counts open runs (`open_runs`) and sets the limit; the gateway reads the counts of tenants
that come near it. Runs accepted between two counts may exceed the limit, because nobody knows how many have
ended meanwhile; one gateway accepts at most as many as the limit itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from visapi_common.core.errors import Fault, ProblemError
from visapi_common.telemetry.logs import get_logger

EVERY_S = 2.0
RETRY_AFTER_S = 5
_OLD_READS = 15
"""Reads without a new count (half a minute), after which the count of accepted runs restarts."""


class OpenCount(NamedTuple):
    """Open runs of a tenant, the most that it may have, and when they were counted."""

    open: int
    most: int
    counted_at: datetime


class FullTenants:
    """`read` returns the tenants with at least half of their limit of open runs; it may raise a `Fault`."""

    def __init__(self, read: Callable[[], Awaitable[Mapping[str, OpenCount]]]) -> None:
        self._read = read
        self._near: Mapping[str, OpenCount] = {}
        self._since: dict[str, int] = {}
        """Runs that this gateway accepted since it read the latest count."""
        self._reads = 0
        """Successive reads that found equal counts."""

    def __contains__(self, tenant: str) -> bool:
        near = self._near.get(tenant)
        return near is not None and max(near.open, self._since.get(tenant, 0)) >= near.most

    def accepted(self, tenant: str) -> None:
        """A run of the tenant was accepted here."""
        if tenant in self._near:
            self._since[tenant] = self._since.get(tenant, 0) + 1

    async def keep_fresh(self) -> None:
        """Until cancelled."""
        while True:
            try:
                self._take_in(await self._read())
            except Fault as fault:
                get_logger("open_runs").warning("open_runs_unknown", detail=str(fault))
            await asyncio.sleep(EVERY_S)

    def refuse(self, tenant: str) -> None:
        """Raises `ProblemError` 429 for a tenant that is full."""
        if tenant not in self:
            return
        detail = (
            f"the tenant has {self._near[tenant].most:,} open runs, the most that it may have; start more "
            "when some have ended, or let the operator raise the limit (VISAPI_TENANT_OPEN_RUNS_MAX, or "
            "`visapi admin tenant rate`)"
        )
        raise ProblemError(
            "too_many_open_runs", detail, status=429, headers={"Retry-After": str(RETRY_AFTER_S)}
        )

    def _take_in(self, near: Mapping[str, OpenCount]) -> None:
        """A new count includes the runs accepted before it, so the count here restarts. It also restarts
        after half a minute without a new count, because no count shows the runs that have ended since.
        """
        self._reads = self._reads + 1 if near == self._near else 0
        self._since = {
            tenant: self._since.get(tenant, 0)
            for tenant, count in near.items()
            if (known := self._near.get(tenant)) is not None
            and known.counted_at == count.counted_at
            and self._reads < _OLD_READS
        }
        if self._reads >= _OLD_READS:
            self._reads = 0
        self._near = near
