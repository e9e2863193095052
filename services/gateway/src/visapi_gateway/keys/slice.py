"""API keys."""

from collections.abc import Sequence

from visapi_common.contracts import subjects
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep
from visapi_gateway.keys import routes
from visapi_gateway.keys.address_rates import AddressRates
from visapi_gateway.keys.announcing import ChangedKeys
from visapi_gateway.keys.leaks import LeakReports
from visapi_gateway.keys.routes import KeyRoutes
from visapi_gateway.keys.service import Keys
from visapi_gateway.keys.store import PgKeyStore, mint_key
from visapi_gateway.rates.rules.gcra import Limit

LEAK_REPORTS = Limit(per_s=1 / 6, burst=10)
"""Of one address."""


def keyring(kernel: Kernel) -> KeyRing:
    """All keys in memory."""
    return KeyRing(PgKeyStore(kernel.pool, kernel.quotas), kernel.settings.key_pepper, kernel.clock)


def open_routes(kernel: Kernel) -> list[Route]:
    ring = kernel.one(keyring)

    def publish(key: str) -> None:
        kernel.messages.publish(subjects.CONTROL_KEYS, key.encode())

    key_changed = ChangedKeys(ring, publish)
    store, peppers = PgKeyStore(kernel.pool, kernel.quotas), kernel.settings.key_pepper
    keys = Keys(store, mint_key, key_changed, peppers=peppers, clock=kernel.clock)
    leaks = LeakReports(store, ring.owner, key_changed, kernel.metrics.keys_leaked.inc)
    reports = AddressRates(LEAK_REPORTS, kernel.clock.monotonic)
    return KeyRoutes(keys, kernel.cursors, leaks, reports).routes()


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    return [("keys", kernel.one(keyring).keep_fresh)]


SLICE = Slice([routes], open_routes, upkeep)
