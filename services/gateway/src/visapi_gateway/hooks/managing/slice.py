"""Making and changing hooks."""

from secrets import token_bytes

from visapi_gateway.hooks.managing import routes
from visapi_gateway.hooks.managing.routes import HookRoutes
from visapi_gateway.hooks.managing.service import Hooks
from visapi_gateway.hooks.managing.store import PgHookStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    store, keys = PgHookStore(kernel.pool, kernel.quotas), kernel.sealing_keys("secrets of hooks")
    hooks = Hooks(store, keys, random=token_bytes, ids=kernel.ids)
    return HookRoutes(hooks, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
