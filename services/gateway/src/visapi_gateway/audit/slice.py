"""The audit."""

from collections.abc import Sequence

from visapi_common.adapters.artifacts import ArtifactStore
from visapi_gateway.audit import routes
from visapi_gateway.audit.retention import AuditRetention
from visapi_gateway.audit.routes import AuditRoutes
from visapi_gateway.audit.service import Audit
from visapi_gateway.audit.store import PgAuditCuts, PgAuditStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep


def open_routes(kernel: Kernel) -> list[Route]:
    return AuditRoutes(Audit(PgAuditStore(kernel.pool)), kernel.cursors).routes()


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    days = kernel.settings.audit_keep_days
    if not days:
        return ()
    exports = ArtifactStore.open(kernel.settings.artifacts_url, kernel.settings.s3)
    retention = AuditRetention(PgAuditCuts(kernel.pool), exports, days, kernel.metrics)
    return [("audit-retention", retention.run)]


SLICE = Slice([routes], open_routes, upkeep)
