"""Following all runs."""

from collections.abc import Sequence

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep
from visapi_gateway.runs.changes import routes
from visapi_gateway.runs.changes.reader import ChangeReader
from visapi_gateway.runs.changes.rereading import Reread
from visapi_gateway.runs.changes.routes import ChangeRoutes
from visapi_gateway.runs.changes.service import FollowRuns
from visapi_gateway.runs.changes.store import PgChanges
from visapi_gateway.runs.reading.slice import live_hub


def reader(kernel: Kernel) -> ChangeReader:
    """The one reader of all followed tenants."""
    return ChangeReader(PgChanges(kernel.pool), kernel.one(live_hub), kernel.clock, kernel.metrics)


def open_routes(kernel: Kernel) -> list[Route]:
    reread = Reread(PgChanges(kernel.pool), kernel.clock)
    follow = FollowRuns(kernel.one(reader), reread, kernel.one(live_hub), kernel.clock)
    return ChangeRoutes(follow, kernel.cursors, kernel.metrics).routes()


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    return [("run-changes", kernel.one(reader).run)]


SLICE = Slice([routes], open_routes, upkeep)
