"""What a tenant used."""

from datetime import date
from typing import Annotated

import msgspec

from visapi_common.contracts.usage import UsagePage
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response
from visapi_gateway.usage.service import By, ReadUsage, UsageRequest

_WORKFLOW = r"[^/]+/[^/]+"


class UsageListing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of usage."""

    limit: Limit = 50
    cursor: Cursor | None = None
    first: (
        Annotated[date, msgspec.Meta(description="The first day (UTC); by default 29 days before `to`.")]
        | None
    ) = msgspec.field(default=None, name="from")
    last: Annotated[date, msgspec.Meta(description="The last day (UTC); today by default.")] | None = (
        msgspec.field(default=None, name="to")
    )
    workflow: (
        Annotated[
            str, msgspec.Meta(max_length=130, pattern=f"^{_WORKFLOW}$", description="`namespace/name`.")
        ]
        | None
    ) = None
    by: Annotated[By, msgspec.Meta(description="Sum up by day, or by workflow.")] | None = None


LIST = Operation(
    "GET",
    "/v1/usage",
    "listUsage",
    "Read what the tenant used, by day and workflow",
    {200: ResponseSpec("A page, by day and then by workflow.", UsagePage)},
    description=(
        "Every number is added in the transaction of what it counts. Days follow the clock of the database."
    ),
    tag="usage",
    scope="runs:read",
    query=UsageListing,
)


class UsageRoutes:
    """The handler of the operation above."""

    def __init__(self, read: ReadUsage, cursors: Cursors) -> None:
        self._read = read
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [Route(LIST, self.list)]

    async def list(self, call: Call) -> AsgiResponse:
        query: UsageListing = call.query
        wanted = UsageRequest(query.first, query.last, query.workflow, query.by)
        position = self._cursors.position(call)
        page = await self._read(call.principal.tenant, wanted, position, query.limit)
        return json_response(self._cursors.page(call, page))
