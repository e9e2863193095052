"""What a tenant used."""

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.usage import routes
from visapi_gateway.usage.routes import UsageRoutes
from visapi_gateway.usage.service import ReadUsage
from visapi_gateway.usage.store import PgUsageStore


def open_routes(kernel: Kernel) -> list[Route]:
    return UsageRoutes(ReadUsage(PgUsageStore(kernel.pool), kernel.clock), kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
