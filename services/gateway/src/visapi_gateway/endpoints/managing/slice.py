"""Making and changing endpoints."""

from secrets import token_bytes

from visapi_gateway.endpoints.managing import routes
from visapi_gateway.endpoints.managing.routes import EndpointRoutes
from visapi_gateway.endpoints.managing.service import Endpoints
from visapi_gateway.endpoints.managing.store import PgEndpointStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    store, keys = PgEndpointStore(kernel.pool, kernel.quotas), kernel.sealing_keys("secrets of endpoints")
    endpoints = Endpoints(store, keys, random=token_bytes, ids=kernel.ids)
    return EndpointRoutes(endpoints, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
