"""The quotas of runs: a run takes one token of each before it is accepted, and returns the tokens when it is
not.
"""

import asyncio
from collections.abc import Sequence
from datetime import date

from visapi_gateway.rates.allowances import KeyAllowances
from visapi_gateway.rates.buckets import QuotaBucket

_KEY = "key:"


class RunTokens:
    """The tokens of one run."""

    __slots__ = ("_taken",)

    def __init__(self, buckets: Sequence[QuotaBucket]) -> None:
        self._taken: list[tuple[QuotaBucket, date | None]] = [(one, one.began) for one in buckets]

    def give_back(self) -> None:
        """The run was not accepted."""
        for bucket, began in self._taken:
            if bucket.began == began:
                bucket.tokens += 1


class RunQuotas:
    """See the module's docstring."""

    def __init__(self, allowances: KeyAllowances) -> None:
        self._allowances = allowances

    async def take(self, tenant: str, started_by: str) -> RunTokens:
        """Take the tokens of a run on behalf of its actor, as rows name actors. Raises `ProblemError` 429 and
        `TransientFault`.
        """
        key = started_by.removeprefix(_KEY) if started_by.startswith(_KEY) else ""
        draw = self._allowances.of_key(tenant, key).runs
        if not draw.take():
            await draw.wait()
        return RunTokens(draw.buckets)

    async def take_all(self, tenant: str, started_by: str, runs: int) -> Sequence[RunTokens]:
        """Take the tokens of several runs together, or of none. Raises as `take`."""
        taking = [asyncio.ensure_future(self.take(tenant, started_by)) for _ in range(runs)]
        try:
            return await asyncio.gather(*taking)
        except BaseException:
            # Also when the request is cancelled: tokens that some of the tasks have taken are given back.
            for one in taking:
                one.cancel()
            for outcome in await asyncio.gather(*taking, return_exceptions=True):
                if isinstance(outcome, RunTokens):
                    outcome.give_back()
            raise
