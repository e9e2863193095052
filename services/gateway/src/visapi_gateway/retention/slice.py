"""Retention."""

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.retention import routes
from visapi_gateway.retention.routes import RetentionRoutes
from visapi_gateway.retention.service import Retentions
from visapi_gateway.retention.store import PgRetentionStore


def open_routes(kernel: Kernel) -> list[Route]:
    return RetentionRoutes(Retentions(PgRetentionStore(kernel.pool, kernel.quotas)), kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
