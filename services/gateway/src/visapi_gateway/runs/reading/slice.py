"""Reading and following runs."""

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.runs.reading import routes
from visapi_gateway.runs.reading.follow import FollowRun
from visapi_gateway.runs.reading.live import LiveHub
from visapi_gateway.runs.reading.routes import ReadRoutes
from visapi_gateway.runs.reading.service import RunViews
from visapi_gateway.runs.reading.store import PgRunStore
from visapi_gateway.runs.reading.whole_items import WholeItems


def run_rows(kernel: Kernel) -> PgRunStore:
    """Runs as they are stored."""
    return PgRunStore(kernel.pool)


def run_views(kernel: Kernel) -> RunViews:
    """Runs as the API shows them."""
    return RunViews(kernel.one(run_rows), kernel.payloads.unpack)


def live_hub(kernel: Kernel) -> LiveHub:
    """The waiters for changes of runs."""
    return LiveHub(lambda: kernel.messages.connected)


def follow_run(kernel: Kernel) -> FollowRun:
    """Histories, as pages and as streams."""
    whole = WholeItems(kernel.payloads.unpack)
    return FollowRun(kernel.one(run_rows), kernel.one(live_hub), whole)


def open_routes(kernel: Kernel) -> list[Route]:
    views, follow = kernel.one(run_views), kernel.one(follow_run)
    return ReadRoutes(views, follow, kernel.cursors, kernel.metrics).routes()


SLICE = Slice([routes], open_routes)
