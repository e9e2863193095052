"""Accept runs within a tenant's limit of open runs, and within the quotas of runs. A repeated request gets
its earlier answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from visapi_common.core.errors import ProblemError, UnknownFault
from visapi_gateway.kernel.full_tenants import FullTenants
from visapi_gateway.runs.starting.commits import ACCEPTED, Holder, NewRun, Outcome, RequestKey


class TakenKeys(Protocol):
    async def taken_keys(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Holder]:
        """The requests that hold the keys."""
        ...


class TakenTokens(Protocol):
    def give_back(self) -> None:
        """The run was not accepted."""
        ...


class TakeFromQuotas(Protocol):
    async def __call__(self, tenant: str, started_by: str, /) -> TakenTokens:
        """Raises `ProblemError` 429 where a quota is used up, and `TransientFault`."""
        ...


class OpenRuns:
    """See the module's docstring."""

    def __init__(
        self,
        full: FullTenants,
        keys: TakenKeys,
        accept: Callable[[NewRun], Awaitable[Outcome]],
        quotas: TakeFromQuotas,
    ) -> None:
        self._full = full
        self._keys = keys
        self._accept = accept
        self._quotas = quotas

    async def __call__(self, run: NewRun) -> Outcome:
        """Accept a run. Raises `ProblemError` 429 for a new run of a full tenant or beyond a quota, and the
        faults of accepting.
        """
        if run.tenant in self._full and not await self._is_repeated(run):
            self._full.refuse(run.tenant)
        try:
            taken = await self._quotas(run.tenant, run.started_by)
        except ProblemError:
            if not await self._is_repeated(run):
                raise
            return await self._accept(run)
        try:
            outcome = await self._accept(run)
        except UnknownFault:
            # Perhaps it was committed: then it counts.
            raise
        except Exception:
            taken.give_back()
            raise
        if outcome is ACCEPTED:
            self._full.accepted(run.tenant)
        else:
            taken.give_back()
        return outcome

    async def holder(self, key: RequestKey) -> Holder | None:
        """The request that holds a key."""
        return (await self._keys.taken_keys([key])).get(key)

    async def _is_repeated(self, run: NewRun) -> bool:
        """Whether the run's `Idempotency-Key` was used before, so that nothing new would start."""
        return run.key is not None and await self.holder((run.tenant, run.key)) is not None
