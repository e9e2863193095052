"""Posted events."""

from visapi_gateway.events import routes
from visapi_gateway.events.commits import EventCommits
from visapi_gateway.events.routes import EventRoutes
from visapi_gateway.events.service import AcceptEvents
from visapi_gateway.events.store import PgEventStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    commits = EventCommits(PgEventStore(kernel.pool), kernel.messages.events_arrived)
    return EventRoutes(AcceptEvents(commits, kernel.jobs.read_json)).routes()


SLICE = Slice([routes], open_routes)
