"""Retention policies: how long ended runs are kept, by namespace."""

from visapi_common.contracts.retention import Retention, RetentionPage, SetRetention
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, json_response
from visapi_gateway.retention.service import Retentions

_PATH = "/v1/retention/{namespace:str}"

LIST = Operation(
    "GET",
    "/v1/retention",
    "listRetention",
    "List the namespaces that have a retention policy",
    {200: ResponseSpec("A page.", RetentionPage)},
    tag="retention",
    scope="runs:read",
    query=Listing,
)
READ = Operation(
    "GET",
    _PATH,
    "readRetention",
    "Read how long ended runs of a namespace are kept",
    {200: ResponseSpec("The policy, or the default.", Retention)},
    tag="retention",
    scope="runs:read",
    problems=("invalid_body",),
)
SET = Operation(
    "PUT",
    _PATH,
    "setRetention",
    "Set how long ended runs of a namespace are kept",
    {200: ResponseSpec("The policy applies to runs that start from now on.", Retention)},
    description=(
        "A run keeps the policy under which it started. The run, its history and its search attributes "
        "are deleted at the earliest that many days after the run's end."
    ),
    tag="retention",
    scope="retention:write",
    body=SetRetention,
    body_required=True,
    problems=("quota_exceeded",),
    if_match="optional",
)
RESET = Operation(
    "DELETE",
    _PATH,
    "resetRetention",
    "Reset a namespace to the default",
    {204: ResponseSpec("The default applies to runs that start from now on.")},
    tag="retention",
    scope="retention:write",
    problems=("retention_not_found",),
    if_match="optional",
)


class RetentionRoutes:
    """The handlers of the operations above."""

    def __init__(self, retentions: Retentions, cursors: Cursors) -> None:
        self._retentions = retentions
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(SET, self.set),
            Route(RESET, self.reset),
        ]

    async def list(self, call: Call) -> AsgiResponse:
        position = self._cursors.position(call)
        page = await self._retentions.page(call.principal.tenant, position, call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._retentions.read(call.principal.tenant, call.path["namespace"]))

    async def set(self, call: Call) -> AsgiResponse:
        wanted: SetRetention = await read_json(SET, call)
        namespace = call.path["namespace"]
        return json_response(await self._retentions.set(call.requester, namespace, wanted, call.if_match))

    async def reset(self, call: Call) -> AsgiResponse:
        await self._retentions.reset(call.requester, call.path["namespace"], call.if_match)
        return EmptyResponse(204)
