"""Accept runs within a tenant's limit of open runs. A repeated request gets its earlier answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from visapi_gateway.kernel.full_tenants import FullTenants
from visapi_gateway.runs.starting.commits import NewRun, Outcome


class TakenKeys(Protocol):
    async def taken_keys(self, runs: Sequence[NewRun]) -> dict[tuple[str, str], tuple[UUID, bytes]]:
        """The run that holds each (tenant, key)."""
        ...


class OpenRuns:
    """See the module's docstring."""

    def __init__(
        self, full: FullTenants, keys: TakenKeys, accept: Callable[[NewRun], Awaitable[Outcome]]
    ) -> None:
        self._full = full
        self._keys = keys
        self._accept = accept

    async def __call__(self, run: NewRun) -> Outcome:
        """Accept a run. Raises `ProblemError` 429 for a new run of a full tenant, and the faults of
        accepting.
        """
        if run.tenant in self._full and not (run.key is not None and await self._keys.taken_keys([run])):
            self._full.refuse(run.tenant)
        return await self._accept(run)
