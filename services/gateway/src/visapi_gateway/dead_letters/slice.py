"""Dead letters."""

from visapi_gateway.dead_letters import routes
from visapi_gateway.dead_letters.editing import Edits
from visapi_gateway.dead_letters.jobs import EDIT, MESSAGE, MessageJobs
from visapi_gateway.dead_letters.routes import DeadLetterRoutes
from visapi_gateway.dead_letters.service import DeadLetters
from visapi_gateway.dead_letters.store import PgDeadLetterStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.runs.reading.slice import run_views


def open_routes(kernel: Kernel) -> list[Route]:
    store, jobs = PgDeadLetterStore(kernel.pool), MessageJobs(kernel.jobs)
    letters = DeadLetters(
        store,
        kernel.one(run_views),
        kernel.messages.hint,
        kernel.messages.replay_asked,
        jobs.flaw_of_message,
    )
    return DeadLetterRoutes(letters, Edits(store, letters, jobs.checked_edit), kernel.cursors).routes()


SLICE = Slice([routes], open_routes, jobs=(MESSAGE, EDIT))
