"""Tenants."""

from visapi_common.contracts import subjects
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.keys.announcing import ChangedKeys
from visapi_gateway.keys.slice import keyring
from visapi_gateway.keys.store import mint_key
from visapi_gateway.tenants import routes
from visapi_gateway.tenants.routes import TenantRoutes
from visapi_gateway.tenants.service import Tenants
from visapi_gateway.tenants.store import PgTenantStore


def open_routes(kernel: Kernel) -> list[Route]:
    def publish(key: str) -> None:
        kernel.messages.publish(subjects.CONTROL_KEYS, key.encode())

    changed = ChangedKeys(kernel.one(keyring), publish)
    peppers = kernel.settings.key_pepper
    tenants = Tenants(PgTenantStore(kernel.pool), mint_key, changed, peppers=peppers, clock=kernel.clock)
    return TenantRoutes(tenants, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
