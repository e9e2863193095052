"""The door of hooks."""

from collections.abc import Sequence
from uuid import UUID

from visapi_gateway.hooks.receiving import routes
from visapi_gateway.hooks.receiving.commits import DeliveryCommits, HookLookups
from visapi_gateway.hooks.receiving.opening import SealedSecrets
from visapi_gateway.hooks.receiving.outcomes import Outcomes
from visapi_gateway.hooks.receiving.reading import FORM, Bodies
from visapi_gateway.hooks.receiving.refusals import Refusals
from visapi_gateway.hooks.receiving.routes import ReceivingRoutes
from visapi_gateway.hooks.receiving.service import AdmitHook, Receiving
from visapi_gateway.hooks.receiving.store import Holdings, PgDeliveryLedger, PgHookDirectory, PgRefusals
from visapi_gateway.hooks.receiving.verifying import Verification
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep
from visapi_gateway.rates.rules.gcra import Limit, lend

ARRIVALS_MAX = 10_000
"""Hooks whose rate is remembered, before those that send little are forgotten."""


def lookups(kernel: Kernel) -> HookLookups:
    return HookLookups(PgHookDirectory(kernel.pool))


def refusals(kernel: Kernel) -> Refusals:
    return Refusals(PgRefusals(kernel.pool), kernel.ids, kernel.metrics)


def open_routes(kernel: Kernel) -> list[Route]:
    settings = kernel.settings
    most = Holdings(settings.tenant_hook_deliveries_max, settings.tenant_hook_bytes_max)
    ledger = PgDeliveryLedger(kernel.pool, most)
    outcomes = Outcomes(kernel.one(refusals), kernel.metrics, kernel.clock)
    verification = Verification(SealedSecrets(settings.sealing_key), outcomes, kernel.clock)
    receiving = Receiving(
        Bodies(kernel.jobs),
        DeliveryCommits(ledger, kernel.messages.events_arrived),
        admit=_admission(kernel),
        outcomes=outcomes,
        ids=kernel.ids,
    )
    return ReceivingRoutes(kernel.one(lookups).find, verification, receiving).routes()


def _admission(kernel: Kernel) -> AdmitHook:
    limit = Limit(kernel.settings.hook_rate_per_s, kernel.settings.hook_burst)
    arrivals: dict[UUID, float] = {}

    def admit_hook(hook: UUID) -> float | None:
        now = kernel.clock.monotonic()
        if len(arrivals) >= ARRIVALS_MAX and hook not in arrivals:
            # What lies in the past says no more than a missing number.
            for past in [each for each, arrival in arrivals.items() if arrival <= now]:
                del arrivals[past]
        lease, arrivals[hook] = lend(limit, arrivals.get(hook), now, 1)
        return None if lease.granted else lease.next_in_s(limit)

    return admit_hook


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    return [
        ("hook-lookups", kernel.one(lookups).run),
        ("hook-refusals", kernel.one(refusals).keep_storing),
    ]


SLICE = Slice([routes], open_routes, upkeep, jobs=(FORM,))
