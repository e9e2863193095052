"""Approvals."""

from visapi_gateway.approvals import routes
from visapi_gateway.approvals.routes import ApprovalRoutes
from visapi_gateway.approvals.service import Approvals
from visapi_gateway.approvals.store import PgApprovalStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    approvals = Approvals(PgApprovalStore(kernel.pool), kernel.messages.hint)
    return ApprovalRoutes(approvals, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
