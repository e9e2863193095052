"""Fills buckets from the database, and returns unused runs."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from visapi_common.core.errors import Fault, TransientFault, UnknownFault
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.rates.buckets import QuotaBucket, QuotaLease, RateBucket
from visapi_gateway.rates.rules.gcra import Lease


class RateAsked(NamedTuple):
    """Tokens of a rate that are wanted. The fields are the parameters of `lease_rates`."""

    tenant: str
    subject: str
    wanted: int
    step_s: float
    burst: int


class QuotaAsked(NamedTuple):
    """Runs of a quota that are wanted. The fields are the parameters of `lease_quotas`."""

    tenant: str
    subject: str
    period: str
    wanted: int
    most: int


class QuotaReturn(NamedTuple):
    """Runs of a quota that are given back. The fields are the parameters of `return_quotas`."""

    tenant: str
    subject: str
    period: str
    began: date
    runs: int


class LedgerOfLeases(Protocol):
    """Where all gateways lease. The methods raise a `Fault`."""

    async def lease_rates(self, asked: Sequence[RateAsked]) -> dict[tuple[str, str], Lease]: ...
    async def lease_quotas(self, asked: Sequence[QuotaAsked]) -> dict[tuple[str, str, str], QuotaLease]: ...
    async def return_quotas(self, returned: Sequence[QuotaReturn]) -> None: ...


class Lender:
    """`share` is the part of each rate that this gateway admits while the database does not answer."""

    def __init__(
        self, ledger: LedgerOfLeases, share: float, metrics: Metrics, monotonic: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._leases = metrics.rate_leases
        self._share = share
        self._monotonic = monotonic

    async def rates(self, buckets: Sequence[RateBucket]) -> None:
        """Fill the buckets of rates, all or none."""
        asked = [
            RateAsked(one.tenant, one.subject, one.wanted(), one.limit.step_s, one.limit.burst)
            for one in buckets
        ]
        leases = await self._ledger.lease_rates(asked)
        now = self._monotonic()
        for bucket, request in zip(buckets, asked, strict=True):
            lease = leases[bucket.tenant, bucket.subject]
            bucket.granted(lease, request.wanted, now)
            self._count("rate", short=lease.granted < request.wanted)

    async def quotas(self, buckets: Sequence[QuotaBucket]) -> None:
        """Fill the buckets of quotas, all or none."""
        asked_at = self._monotonic()
        asked = [QuotaAsked(one.tenant, one.subject, one.period, one.wanted(), one.most) for one in buckets]
        leases = await self._ledger.lease_quotas(asked)
        for bucket, request in zip(buckets, asked, strict=True):
            lease = leases[bucket.tenant, bucket.subject, bucket.period]
            bucket.granted(lease, request.wanted, asked_at)
            self._count("quota", short=lease.granted < request.wanted)

    def rate_alone(self, bucket: RateBucket) -> None:
        self._leases.labels("rate", "alone").inc()
        bucket.lend_alone(self._share, self._monotonic())

    def quota_alone(self, bucket: QuotaBucket) -> None:
        """Nothing is lent of a quota: without the database no run can be accepted anyway."""
        self._leases.labels("quota", "alone").inc()
        bucket.wake(TransientFault("quotas of runs cannot be checked now; try again", retry_after_s=1.0))

    def _count(self, of: str, *, short: bool) -> None:
        self._leases.labels(of, "short" if short else "granted").inc()

    async def give_back(self, buckets: Sequence[QuotaBucket], *, idle_only: bool) -> None:
        """Return the runs that this gateway does not use, or all held runs. Raises a `Fault`:
        after an `UnknownFault` the runs are lost until their period ends, after other faults they stay held.
        """
        now = self._monotonic()
        returned: list[QuotaReturn] = []
        touched: list[QuotaBucket] = []
        for bucket in buckets:
            runs = bucket.take_idle(now) if idle_only else bucket.take_all(now)
            if runs and bucket.began is not None:
                returned.append(QuotaReturn(bucket.tenant, bucket.subject, bucket.period, bucket.began, runs))
                touched.append(bucket)
        if not returned:
            return
        try:
            await self._ledger.return_quotas(returned)
        except UnknownFault:
            raise
        except Fault:
            for bucket, one in zip(touched, returned, strict=True):
                if bucket.began == one.began:
                    bucket.tokens += one.runs
            raise
