"""The share of a tenant: how many runs it may have open. Beyond it a start is refused before it is accepted.

The orchestrator counts (`open_runs`), and says how many there may be; here the tenants that are full are
remembered. What all gateways accept between two counts may pass the bound. A request that
was accepted before is answered as before, full or not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault, ProblemError
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.runs.starting.accepting import NewRun, Outcome

EVERY_S = 2.0
RETRY_AFTER_S = 5


class OpenRunRows(Protocol):
    async def full_tenants(self) -> Mapping[str, int]:
        """Tenants that have as many open runs as they may, with that number."""
        ...

    async def taken_keys(self, runs: Sequence[NewRun]) -> dict[tuple[str, str], tuple[UUID, bytes]]:
        """Which run holds each (tenant, key)."""
        ...


class OpenRuns:
    """See the module's docstring."""

    def __init__(self, rows: OpenRunRows, accept: Callable[[NewRun], Awaitable[Outcome]]) -> None:
        self._rows = rows
        self._accept = accept
        self._full: Mapping[str, int] = {}

    async def keep_fresh(self) -> None:
        """Until cancelled."""
        while True:
            try:
                self._full = await self._rows.full_tenants()
            except Fault as fault:
                get_logger("open_runs").warning("open_runs_unknown", detail=str(fault))
            await asyncio.sleep(EVERY_S)

    async def __call__(self, run: NewRun) -> Outcome:
        """Accept a run. Raises `ProblemError` 429 for a new one of a tenant that is full, and what accepting
        raises.
        """
        if run.tenant not in self._full or (run.key is not None and await self._rows.taken_keys([run])):
            return await self._accept(run)
        self.refuse_full(run.tenant)
        return await self._accept(run)

    def refuse_full(self, tenant: str) -> None:
        """Raises `ProblemError` 429 for a tenant that is full."""
        most = self._full.get(tenant)
        if most is None:
            return
        detail = (
            f"the tenant has {most:,} open runs, as many as it may have; start more when some have ended, or "
            "raise VISAPI_TENANT_OPEN_RUNS_MAX"
        )
        raise ProblemError(
            "too_many_open_runs", detail, status=429, headers={"Retry-After": str(RETRY_AFTER_S)}
        )
