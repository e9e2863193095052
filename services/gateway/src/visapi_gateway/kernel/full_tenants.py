"""Tenants that have reached their limit of open runs: the gateway refuses further runs.

The orchestrator counts open runs (`open_runs`) and sets the limit; the gateway remembers which tenants are
full. Runs accepted between two counts may exceed the limit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from visapi_common.core.errors import Fault, ProblemError
from visapi_common.telemetry.logs import get_logger

EVERY_S = 2.0
RETRY_AFTER_S = 5


class FullTenants:
    """`read` returns the full tenants, each with the number of its open runs. May raise a `Fault`."""

    def __init__(self, read: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        self._read = read
        self._full: Mapping[str, int] = {}

    def __contains__(self, tenant: str) -> bool:
        return tenant in self._full

    async def keep_fresh(self) -> None:
        """Until cancelled."""
        while True:
            try:
                self._full = await self._read()
            except Fault as fault:
                get_logger("open_runs").warning("open_runs_unknown", detail=str(fault))
            await asyncio.sleep(EVERY_S)

    def refuse(self, tenant: str) -> None:
        """Raises `ProblemError` 429 for a tenant that is full."""
        most = self._full.get(tenant)
        if most is None:
            return
        detail = (
            f"the tenant has {most:,} open runs, the most that it may have; start more when some have "
            "ended, or raise VISAPI_TENANT_OPEN_RUNS_MAX"
        )
        raise ProblemError(
            "too_many_open_runs", detail, status=429, headers={"Retry-After": str(RETRY_AFTER_S)}
        )
