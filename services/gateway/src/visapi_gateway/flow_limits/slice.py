"""Flow control: the runs under way, and the runs that wait."""

from visapi_gateway.flow_limits import routes
from visapi_gateway.flow_limits.routes import LimitRoutes
from visapi_gateway.flow_limits.service import ReadLimits
from visapi_gateway.flow_limits.store import PgLimitStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    return LimitRoutes(ReadLimits(PgLimitStore(kernel.pool)), kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
