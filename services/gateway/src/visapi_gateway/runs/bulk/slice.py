"""One command for many runs."""

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.runs.bulk import routes
from visapi_gateway.runs.bulk.routes import BulkRoutes
from visapi_gateway.runs.bulk.service import Bulk, BulkRerun
from visapi_gateway.runs.commands.slice import commands, retries
from visapi_gateway.runs.reading.slice import run_rows, run_views
from visapi_gateway.runs.starting.slice import start_run


def open_routes(kernel: Kernel) -> list[Route]:
    bulk = Bulk(
        kernel.one(run_rows),
        kernel.one(commands),
        retries=kernel.one(retries),
        repeat=BulkRerun(kernel.one(start_run), kernel.one(run_views)),
        ids=kernel.ids,
        clock=kernel.clock,
    )
    return BulkRoutes(bulk, kernel.cursors, kernel.metrics, kernel.used_keys.hold).routes()


SLICE = Slice([routes], open_routes)
