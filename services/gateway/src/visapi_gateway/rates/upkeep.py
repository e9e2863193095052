"""Background work on rates: applies changes, returns unused runs, and deletes old rows."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_gateway.rates.allowances import KeyAllowances
from visapi_gateway.rates.buckets import RETURN_S
from visapi_gateway.rates.lending import Lender
from visapi_gateway.rates.rules.policies import Book, StoredRate

RELOAD_S = 5.0
_REST = 4.0
_REST_MAX_S = 1.0
"""After a look the book rests for this multiple of its duration, up to a limit: a tenant that keeps setting
rates must not keep every replica busy with the rates of all tenants.
"""
_TIDY_S = 600.0
_LAST_RETURN_S = 1.0
"""The end of the process waits at most so long for the return of runs."""
_LIMIT = 5000


class StoredRates(Protocol):
    async def all_rates(self) -> Sequence[StoredRate]:
        """Every rate that is set, of all tenants."""
        ...

    async def sweep(self, limit: int) -> None:
        """Delete rows that are no longer needed, at most this many of each kind."""
        ...


class RateBook:
    """Keeps the allowances equal to the stored limits. While the database is away, the last limits apply."""

    def __init__(
        self,
        stored: StoredRates,
        allowances: KeyAllowances,
        isolation: Isolation,
        monotonic: Callable[[], float],
    ) -> None:
        self._stored = stored
        self._allowances = allowances
        self._isolation = isolation
        self._monotonic = monotonic
        self._known: Sequence[StoredRate] | None = None
        self._changed = asyncio.Event()

    async def load(self) -> None:
        """Read all rates. Raises a `Fault`."""
        rates = await self._stored.all_rates()
        if rates != self._known:
            self._known = rates
            self._allowances.apply(Book(rates))

    def reload_soon(self) -> None:
        """Read again, because a rate has changed somewhere."""
        self._changed.set()

    async def keep_fresh(self) -> None:
        """Read at each change and every `RELOAD_S`, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(RELOAD_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            began = self._monotonic()
            try:
                await self.load()
            except Fault as fault:
                self._isolation.note(fault)
            await asyncio.sleep(min(_REST_MAX_S, _REST * (self._monotonic() - began)))


class RateUpkeep:
    """Returns unused leased runs, and sweeps."""

    def __init__(
        self, stored: StoredRates, allowances: KeyAllowances, lender: Lender, isolation: Isolation
    ) -> None:
        self._stored = stored
        self._allowances = allowances
        self._lender = lender
        self._isolation = isolation

    async def keep_returning(self) -> None:
        """Until cancelled; then everything is returned, once."""
        try:
            while True:
                await asyncio.sleep(RETURN_S)
                await self._give_back(idle_only=True)
        finally:
            try:
                async with asyncio.timeout(_LAST_RETURN_S):
                    await self._give_back(idle_only=False)
            except TimeoutError:
                pass

    async def keep_tidy(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_TIDY_S)
            self._allowances.tidy()
            try:
                await self._stored.sweep(_LIMIT)
            except Fault as fault:
                self._isolation.note(fault)

    async def _give_back(self, *, idle_only: bool) -> None:
        try:
            await self._lender.give_back(self._allowances.quota_buckets(), idle_only=idle_only)
        except Fault as fault:
            self._isolation.note(fault)
