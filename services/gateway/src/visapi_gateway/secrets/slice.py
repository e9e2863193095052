"""Secrets."""

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.secrets import routes
from visapi_gateway.secrets.routes import SecretRoutes
from visapi_gateway.secrets.service import Secrets
from visapi_gateway.secrets.store import PgSecretStore


def open_routes(kernel: Kernel) -> list[Route]:
    store, keys = PgSecretStore(kernel.pool, kernel.quotas), kernel.sealing_keys("secrets")
    return SecretRoutes(Secrets(store, keys), kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
