"""Tenants that have reached their limit of open runs: the gateway refuses further runs.

The orchestrator counts open runs (`open_runs`) and sets the limit. The gateway reads the counts of tenants
that come near it, and adds the runs that it has accepted since. Runs that other gateways accept between two
counts may exceed the limit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from visapi_common.core.errors import Fault, ProblemError
from visapi_common.telemetry.logs import get_logger

EVERY_S = 2.0
RETRY_AFTER_S = 5


class OpenCount(NamedTuple):
    """Open runs of a tenant, the most that it may have, and when they were counted."""

    open: int
    most: int
    counted_at: datetime


class FullTenants:
    """`read` returns the tenants that have half of what they may have. May raise a `Fault`."""

    def __init__(self, read: Callable[[], Awaitable[Mapping[str, OpenCount]]]) -> None:
        self._read = read
        self._near: Mapping[str, OpenCount] = {}
        self._since: dict[str, int] = {}
        """Runs that this gateway accepted since it heard of the latest count."""

    def __contains__(self, tenant: str) -> bool:
        near = self._near.get(tenant)
        return near is not None and near.open + self._since.get(tenant, 0) >= near.most

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
        """A new count has seen what was accepted before it: what is counted here begins anew."""
        self._since = {
            tenant: self._since.get(tenant, 0)
            for tenant, count in near.items()
            if (known := self._near.get(tenant)) is not None and known.counted_at == count.counted_at
        }
        self._near = near
