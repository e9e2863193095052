"""What hooks accepted and refused."""

from visapi_gateway.hooks.deliveries import routes
from visapi_gateway.hooks.deliveries.routes import DeliveryRoutes
from visapi_gateway.hooks.deliveries.service import Deliveries
from visapi_gateway.hooks.deliveries.store import PgHookDeliveries
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    store, hint = PgHookDeliveries(kernel.pool), kernel.messages.events_arrived
    deliveries = Deliveries(store, kernel.jobs, hint, kernel.ids)
    return DeliveryRoutes(deliveries, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
