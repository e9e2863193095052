"""What the installation is."""

from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version

from visapi_common.contracts.task_messages import FunctionSpec
from visapi_gateway.kernel.api.docs_page import build_docs
from visapi_gateway.kernel.api.openapi import build_openapi
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.api.problem_pages import build_problem_pages
from visapi_gateway.kernel.asgi.bodies import BODY_LIMIT
from visapi_gateway.kernel.asgi.http import encode
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep
from visapi_gateway.system import routes
from visapi_gateway.system.routes import DOCS, SystemRoutes
from visapi_gateway.system.service import System
from visapi_gateway.system.store import PgSystemStore


def functions_of(kernel: Kernel) -> Callable[[str], Awaitable[Sequence[FunctionSpec]]]:
    """The functions that a tenant may call."""
    return PgSystemStore(kernel.pool).functions


def system(kernel: Kernel) -> System:
    """The health and drain state of the gateway."""
    return System(
        PgSystemStore(kernel.pool),
        lambda: kernel.messages.connected,
        kernel.report_check,
        version=version("visapi-gateway"),
        body_limit=BODY_LIMIT,
    )


def open_routes(kernel: Kernel) -> list[Route]:
    release = version("visapi-gateway")
    openapi = encode(build_openapi(kernel.operations, release))
    pages = {DOCS.path: build_docs(kernel.operations, release), **build_problem_pages(kernel.operations)}
    return SystemRoutes(kernel.one(system), openapi, pages).routes()


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    return [("health", kernel.one(system).keep_checking)]


SLICE = Slice([routes], open_routes, upkeep)
