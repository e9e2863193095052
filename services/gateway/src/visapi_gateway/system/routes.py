"""The installation: health, capabilities, functions, and the API description."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from visapi_common.contracts.gateway_bodies import Capabilities, FunctionPage, HealthView
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Header, Response, json_response
from visapi_gateway.kernel.problems import PAGES
from visapi_gateway.system.service import System


class ReadyQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    verbose: Annotated[str, msgspec.Meta(max_length=5, description="Show each check.")] | None = None


HTML = "text/html"

LIVE = Operation(
    "GET",
    "/livez",
    "isAlive",
    "Whether the process is alive",
    {200: ResponseSpec("It does.", HealthView)},
    tag="system",
    public=True,
    probe=True,
)
READY = Operation(
    "GET",
    "/readyz",
    "isReady",
    "Whether the replica accepts requests",
    {
        200: ResponseSpec("They should.", HealthView),
        503: ResponseSpec("The replica does not accept requests.", HealthView),
    },
    tag="system",
    public=True,
    probe=True,
    query=ReadyQuery,
)
CAPABILITIES = Operation(
    "GET",
    "/v1/capabilities",
    "readCapabilities",
    "The capabilities of this installation",
    {200: ResponseSpec("Versions, features and limits.", Capabilities)},
    tag="system",
    limited_keys="open",
)
FUNCTIONS = Operation(
    "GET",
    "/v1/functions",
    "listFunctions",
    "List the functions that workflows may call",
    {200: ResponseSpec("All of them.", FunctionPage)},
    tag="system",
    scope="workflows:read",
)
OPENAPI = Operation(
    "GET",
    "/openapi.json",
    "readOpenApi",
    "This description",
    {200: ResponseSpec("An OpenAPI 3.1 document.", dict[str, Any], headers=("ETag",))},
    tag="system",
    public=True,
)
DOCS = Operation(
    "GET",
    "/docs",
    "readDocs",
    "The API description as a page",
    {200: ResponseSpec("A page.", None, (HTML,), headers=("ETag",))},
    tag="system",
    public=True,
    produces=(HTML,),
)
PROBLEMS = Operation(
    "GET",
    PAGES,
    "listProblems",
    "All problems that the API answers with, as a page",
    {200: ResponseSpec("A page.", None, (HTML,), headers=("ETag",))},
    tag="system",
    public=True,
    produces=(HTML,),
)
PROBLEM = Operation(
    "GET",
    f"{PAGES}/{{problem:str}}",
    "readProblem",
    "The page of a problem",
    {200: ResponseSpec("What the problem means and what to do.", None, (HTML,), headers=("ETag",))},
    description="The `type` of a problem ends in the path of its page.",
    tag="system",
    public=True,
    produces=(HTML,),
)

_MAY_BE_STORED: Header = (b"cache-control", b"public, max-age=60")
_PAGE_POLICY: Header = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)


class SystemRoutes:
    """The handlers of the operations above."""

    def __init__(self, system: System, openapi: bytes, pages: Mapping[str, bytes]) -> None:
        self._system = system
        self._openapi = openapi
        self._pages = pages
        """Pages in HTML by their paths."""

    def routes(self) -> list[Route]:
        return [
            Route(LIVE, self.live),
            Route(READY, self.ready),
            Route(CAPABILITIES, self.capabilities),
            Route(FUNCTIONS, self.functions),
            Route(OPENAPI, self.openapi),
            Route(DOCS, self.page),
            Route(PROBLEMS, self.page),
            Route(PROBLEM, self.page),
        ]

    async def live(self, _: Call) -> AsgiResponse:
        return json_response(HealthView(status="ok", checks={}))

    async def ready(self, call: Call) -> AsgiResponse:
        ready, checks = self._system.readiness()
        shown = checks if call.query.verbose is not None else {}
        return json_response(HealthView("ok" if ready else "unavailable", shown), 200 if ready else 503)

    async def capabilities(self, _: Call) -> AsgiResponse:
        return json_response(self._system.capabilities())

    async def functions(self, call: Call) -> AsgiResponse:
        return json_response(FunctionPage(list(await self._system.functions(call.principal.tenant)), None))

    async def openapi(self, _: Call) -> AsgiResponse:
        return Response(200, self._openapi, [_MAY_BE_STORED])

    async def page(self, call: Call) -> AsgiResponse:
        page = self._pages.get(call.scope["path"])
        if page is None:
            detail = f"there is no such problem; GET {PAGES} lists all of them"
            raise ProblemError("not_found", detail, status=404)
        return Response(200, page, [_PAGE_POLICY, _MAY_BE_STORED], b"text/html; charset=utf-8")
