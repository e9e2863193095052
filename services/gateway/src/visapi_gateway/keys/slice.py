"""API keys."""

from collections.abc import Sequence

from visapi_common.contracts import subjects
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep
from visapi_gateway.keys import routes
from visapi_gateway.keys.routes import KeyRoutes
from visapi_gateway.keys.service import Keys
from visapi_gateway.keys.store import PgKeyStore, mint_key


def keyring(kernel: Kernel) -> KeyRing:
    """All keys in memory."""
    return KeyRing(PgKeyStore(kernel.pool, kernel.quotas), kernel.settings.key_pepper, kernel.clock)


def open_routes(kernel: Kernel) -> list[Route]:
    def key_changed(key: str) -> None:
        kernel.one(keyring).reload_soon()
        kernel.messages.publish(subjects.CONTROL_KEYS, key.encode())

    store, peppers = PgKeyStore(kernel.pool, kernel.quotas), kernel.settings.key_pepper
    keys = Keys(store, mint_key, key_changed, peppers=peppers, clock=kernel.clock)
    return KeyRoutes(keys, kernel.cursors).routes()


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    return [("keys", kernel.one(keyring).keep_fresh)]


SLICE = Slice([routes], open_routes, upkeep)
