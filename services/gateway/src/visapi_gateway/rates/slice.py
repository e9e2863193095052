"""Rates."""

from collections.abc import Sequence
from typing import NamedTuple

from visapi_common.contracts import subjects
from visapi_common.runtime.isolation import Isolation
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep
from visapi_gateway.rates import routes
from visapi_gateway.rates.allowances import KeyAllowances, Parts
from visapi_gateway.rates.buckets import Bucket, QuotaBucket, RateBucket
from visapi_gateway.rates.leases import Leases
from visapi_gateway.rates.lending import Lender
from visapi_gateway.rates.routes import RateRoutes
from visapi_gateway.rates.rules.gcra import Limit
from visapi_gateway.rates.rules.policies import Defaults
from visapi_gateway.rates.run_quotas import RunQuotas
from visapi_gateway.rates.service import Rates
from visapi_gateway.rates.store import PgLedgerOfLeases, PgRateStore
from visapi_gateway.rates.upkeep import RateBook, RateUpkeep


class _Lending(NamedTuple):
    """The queue of leases."""

    lender: Lender
    rates: Leases[RateBucket]
    quotas: Leases[QuotaBucket]


def lending(kernel: Kernel) -> _Lending:
    monotonic = kernel.clock.monotonic
    ledger, share = PgLedgerOfLeases(kernel.pool), kernel.settings.rate_share
    lender = Lender(ledger, share, kernel.metrics, monotonic)
    rates = Leases(lender.rates, lender.rate_alone, Isolation("rates", kernel.metrics), monotonic)
    quotas = Leases(lender.quotas, lender.quota_alone, Isolation("run-quotas", kernel.metrics), monotonic)
    return _Lending(lender, rates, quotas)


def allowances(kernel: Kernel) -> KeyAllowances:
    """The allowances of keys."""
    settings, parts = kernel.settings, kernel.one(lending)

    def refused(bucket: Bucket) -> None:
        kernel.metrics.rate_refusals.labels(*bucket.labels()).inc()

    defaults = Defaults(
        key=Limit(settings.key_rate_per_s, settings.key_burst),
        tenant=Limit(settings.tenant_rate_per_s, settings.tenant_burst),
        runs_per_day=settings.tenant_runs_per_day,
        runs_per_month=settings.tenant_runs_per_month,
    )
    return KeyAllowances(defaults, Parts(parts.rates, parts.quotas, refused, kernel.clock.monotonic))


def run_quotas(kernel: Kernel) -> RunQuotas:
    """The quotas of runs."""
    return RunQuotas(kernel.one(allowances))


RATES_CHANGED = b"rates"
"""The body of a message on the subject of keys that says so; other bodies are ids of keys."""


def rate_book(kernel: Kernel) -> RateBook:
    """The rates that are set."""
    isolation = Isolation("rate-book", kernel.metrics)
    stored = PgLedgerOfLeases(kernel.pool)
    return RateBook(stored, kernel.one(allowances), isolation, kernel.clock.monotonic)


def open_routes(kernel: Kernel) -> list[Route]:
    def changed() -> None:
        kernel.one(rate_book).reload_soon()
        kernel.messages.publish(subjects.CONTROL_KEYS, RATES_CHANGED)

    rates = Rates(PgRateStore(kernel.pool, kernel.quotas), changed)
    return RateRoutes(rates, kernel.one(allowances), kernel.cursors).routes()


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    parts = kernel.one(lending)
    isolation = Isolation("rate-upkeep", kernel.metrics)
    more = RateUpkeep(PgLedgerOfLeases(kernel.pool), kernel.one(allowances), parts.lender, isolation)
    return [
        ("rates", parts.rates.run),
        ("run-quotas", parts.quotas.run),
        ("rate-book", kernel.one(rate_book).keep_fresh),
        ("idle-runs", more.keep_returning),
        ("rate-upkeep", more.keep_tidy),
    ]


SLICE = Slice([routes], open_routes, upkeep)
