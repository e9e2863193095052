"""What gateways have leased, in memory, by the clock of the event loop."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date

from kit.fakes.faults import Planned
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.rates.allowances import KeyAllowances, Parts
from visapi_gateway.rates.buckets import QuotaLease
from visapi_gateway.rates.leases import Leases
from visapi_gateway.rates.lending import Lender, QuotaAsked, QuotaReturn, RateAsked
from visapi_gateway.rates.rules.gcra import Lease, Limit, lend
from visapi_gateway.rates.rules.policies import Defaults
from visapi_gateway.rates.run_quotas import RunQuotas

DAY_S = 86_400.0


class FakeLeases:
    """See `rates.lending.LedgerOfLeases`. `day` has begun, and ends at `day_ends_at` of the loop's clock."""

    def __init__(self) -> None:
        self.faults = Planned()
        self.statements: list[list[str]] = []
        """The subjects of each statement."""
        self.used: Counter[tuple[str, str, str, date]] = Counter()
        self.day = date(2026, 1, 1)
        self.day_ends_at: float | None = None
        self._arrivals: dict[tuple[str, str], float] = {}

    async def lease_rates(self, asked: Sequence[RateAsked]) -> dict[tuple[str, str], Lease]:
        await self._statement("lease_rates", [one.subject for one in asked])
        now, leases = asyncio.get_running_loop().time(), dict[tuple[str, str], Lease]()
        for one in asked:
            of, limit = (one.tenant, one.subject), Limit(1 / one.step_s, one.burst)
            wanted = min(one.wanted, one.burst)
            leases[of], self._arrivals[of] = lend(limit, self._arrivals.get(of), now, wanted)
        return leases

    async def lease_quotas(self, asked: Sequence[QuotaAsked]) -> dict[tuple[str, str, str], QuotaLease]:
        await self._statement("lease_quotas", [one.subject for one in asked])
        now, leases = asyncio.get_running_loop().time(), dict[tuple[str, str, str], QuotaLease]()
        ends_in_s = DAY_S if self.day_ends_at is None else self.day_ends_at - now
        for one in asked:
            of = (one.tenant, one.subject, one.period, self.day)
            granted = max(0, min(one.wanted, one.most - self.used[of]))
            self.used[of] += granted
            leases[of[:3]] = QuotaLease(granted, max(0, one.most - self.used[of]), self.day, ends_in_s)
        return leases

    async def return_quotas(self, returned: Sequence[QuotaReturn]) -> None:
        await self._statement("return_quotas", [one.subject for one in returned])
        for tenant, subject, period, began, runs in returned:
            of = (tenant, subject, period, began)
            if began == self.day:
                self.used[of] = max(0, self.used[of] - runs)

    def next_day(self) -> None:
        self.day, self.day_ends_at = date(2026, 1, 2), None

    async def _statement(self, method: str, subjects: list[str]) -> None:
        self.statements.append(subjects)
        await asyncio.sleep(0.001)
        await self.faults.enter(method)


def no_quotas() -> RunQuotas:
    """Quotas of an installation that has none."""
    metrics, wide = open_metrics(), Limit(1e6, 1_000_000)
    monotonic = asyncio.get_running_loop().time
    lender = Lender(FakeLeases(), 1.0, metrics, monotonic)
    isolation = Isolation("rates", metrics)
    rates = Leases(lender.rates, lender.rate_alone, isolation, monotonic)
    quotas = Leases(lender.quotas, lender.quota_alone, isolation, monotonic)
    parts = Parts(rates, quotas, lambda _: None, monotonic)
    return RunQuotas(KeyAllowances(Defaults(wide, wide, 0, 0), parts))
