"""Flow control: the runs under way and the runs that wait, by key."""

from typing import Annotated

import msgspec

from visapi_common.contracts.limits import LimitPage
from visapi_gateway.flow_limits.service import ReadLimits
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response


class LimitListing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of the list of limits."""

    limit: Limit = 50
    cursor: Cursor | None = None
    workflow: Annotated[str, msgspec.Meta(max_length=130, description="`namespace/name`.")] | None = None


LIST = Operation(
    "GET",
    "/v1/limits",
    "listLimits",
    "List the keys of `concurrency` and `rateLimit` that are in use",
    {200: ResponseSpec("A page.", LimitPage)},
    tag="runs",
    scope="runs:read",
    query=LimitListing,
)


class LimitRoutes:
    """The handler of the operation above."""

    def __init__(self, read: ReadLimits, cursors: Cursors) -> None:
        self._read = read
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [Route(LIST, self.list)]

    async def list(self, call: Call) -> AsgiResponse:
        position = self._cursors.position(call)
        page = await self._read(call.principal.tenant, call.query.workflow, position, call.query.limit)
        return json_response(self._cursors.page(call, page))
