"""Commands to one run."""

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.runs.commands import routes
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.routes import CommandRoutes
from visapi_gateway.runs.commands.service import Commands
from visapi_gateway.runs.commands.store import PgCommandStore
from visapi_gateway.runs.reading.slice import run_views
from visapi_gateway.workflows.slice import workflows


def retries(kernel: Kernel) -> Retries:
    """Retry of faulted runs."""
    return Retries(
        PgCommandStore(kernel.pool),
        kernel.one(run_views),
        kernel.one(workflows),
        pack=kernel.payloads.pack,
        hint=kernel.messages.hint,
    )


def commands(kernel: Kernel) -> Commands:
    """Cancelling, suspending and resuming runs."""
    store = PgCommandStore(kernel.pool)
    return Commands(store, kernel.one(run_views), kernel.ids, kernel.messages.hint)


def open_routes(kernel: Kernel) -> list[Route]:
    return CommandRoutes(kernel.one(commands), kernel.one(retries), kernel.one(run_views)).routes()


SLICE = Slice([routes], open_routes)
