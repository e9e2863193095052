"""What was sent to endpoints."""

from visapi_gateway.endpoints.messages import routes
from visapi_gateway.endpoints.messages.routes import MessageRoutes
from visapi_gateway.endpoints.messages.service import Messages
from visapi_gateway.endpoints.messages.store import PgMessages
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    messages = Messages(PgMessages(kernel.pool), kernel.jobs, kernel.ids, kernel.clock)
    return MessageRoutes(messages, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
