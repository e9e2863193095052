"""Renews the leases of running deliveries, with one statement per second."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

from visapi_common.core.clocks import Clock
from visapi_common.core.failures import failure_kind, failure_text
from visapi_common.telemetry.logs import get_logger
from visapi_notifier.delivery.rules import LEASE_MARGIN_S, LEASE_S, RENEW_EVERY_S


class Renewals(Protocol):
    """Where leases are recorded."""

    async def renew(self, leases: Sequence[tuple[str, str]]) -> set[str]:
        """Renew leases given as (effect key, owner). Returns the keys that are still ours. Raises `Fault`."""
        ...


class Lease:
    """One delivery's right to act."""

    def __init__(self, owner: str, confirmed_at: float) -> None:
        self.owner = owner
        self.confirmed_at = confirmed_at
        self.lost = False


class LeaseKeeper:
    """Holds the leases of this process."""

    def __init__(self, ledger: Renewals, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._held: dict[str, Lease] = {}
        self._log = get_logger("leases")

    @contextmanager
    def holding(self, effect_key: str, owner: str, confirmed_at: float) -> Generator[Lease]:
        """Renew this lease until the block ends. `confirmed_at` is monotonic, before it was asked for."""
        lease = Lease(owner, confirmed_at)
        self._held[effect_key] = lease
        try:
            yield lease
        finally:
            del self._held[effect_key]

    def valid(self, lease: Lease) -> bool:
        """Whether the lease is certainly still ours, with a margin."""
        age_s = self._clock.monotonic() - lease.confirmed_at
        return not lease.lost and age_s < LEASE_S - LEASE_MARGIN_S

    async def run(self) -> None:
        """Renew once a second until cancelled. A failed renewal is retried with the next."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            await self._renew(list(self._held.items()))

    async def _renew(self, asked: Sequence[tuple[str, Lease]]) -> None:
        """Never raises: a lease that cannot be renewed expires, and `valid` reports that."""
        if not asked:
            return
        at, half = self._clock.monotonic(), len(asked) // 2
        try:
            ours = await self._ledger.renew([(key, lease.owner) for key, lease in asked])
        except Exception as error:  # noqa: BLE001 (see above)
            self._log.warning("leases_not_renewed", leases=len(asked), detail=failure_text(error))
            if half and failure_kind(error) == "contents":
                await self._renew(asked[:half])
                await self._renew(asked[half:])
            return
        for key, lease in asked:
            if key in ours:
                lease.confirmed_at = at
            else:
                lease.lost = True
