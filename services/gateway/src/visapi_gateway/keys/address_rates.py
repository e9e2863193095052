"""Rates of requests without a key, counted by the address of the client."""

import math
from collections import OrderedDict
from collections.abc import Callable

from visapi_common.core.errors import ProblemError
from visapi_gateway.rates.rules.gcra import Limit, lend

ADDRESSES_MAX = 10_000
"""The most addresses that are remembered; the one that was silent longest is forgotten first."""


class AddressRates:
    """One number per address (`rates.rules.gcra`). Each replica counts its own requests."""

    def __init__(self, limit: Limit, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def check(self, address: str) -> None:
        """Raises `ProblemError` 429."""
        lease, kept = lend(self._limit, self._arrivals.get(address), self._monotonic(), 1)
        self._arrivals[address] = kept
        self._arrivals.move_to_end(address)
        if len(self._arrivals) > ADDRESSES_MAX:
            self._arrivals.popitem(last=False)
        if not lease.granted:
            wait = max(1, math.ceil(lease.next_in_s(self._limit)))
            detail = f"the address has sent too many of these requests; send it again after {wait} s"
            raise ProblemError("rate_limited", detail, status=429, headers={"Retry-After": str(wait)})
