"""The audit."""

from visapi_gateway.audit import routes
from visapi_gateway.audit.routes import AuditRoutes
from visapi_gateway.audit.service import Audit
from visapi_gateway.audit.store import PgAuditStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    return AuditRoutes(Audit(PgAuditStore(kernel.pool)), kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
