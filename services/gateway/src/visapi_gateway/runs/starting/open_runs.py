"""Accept runs within a tenant's limit of open runs. A repeated request gets its earlier answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from visapi_gateway.kernel.full_tenants import FullTenants
from visapi_gateway.runs.starting.commits import Holder, NewRun, Outcome, RequestKey


class TakenKeys(Protocol):
    async def taken_keys(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Holder]:
        """The requests that hold the keys."""
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
        if run.tenant in self._full and (run.key is None or await self.holder((run.tenant, run.key)) is None):
            self._full.refuse(run.tenant)
        return await self._accept(run)

    async def holder(self, key: RequestKey) -> Holder | None:
        """The request that holds a key."""
        return (await self._keys.taken_keys([key])).get(key)
