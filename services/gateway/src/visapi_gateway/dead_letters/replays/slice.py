"""Replays of many dead letters."""

from visapi_gateway.dead_letters.replays import routes
from visapi_gateway.dead_letters.replays.routes import ReplayRoutes
from visapi_gateway.dead_letters.replays.service import ManyReplays
from visapi_gateway.dead_letters.replays.store import PgReplayStore
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    replays = ManyReplays(PgReplayStore(kernel.pool), kernel.ids, kernel.messages.replay_asked)
    return ReplayRoutes(replays, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
