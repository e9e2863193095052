"""The audit: who did what."""

from datetime import datetime
from typing import Annotated

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditPage
from visapi_gateway.audit.service import Audit, AuditFilter
from visapi_gateway.kernel.api.lists import Cursor, Cursors
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    action: Annotated[AuditAction, msgspec.Meta(description="Only this action.")] | None = None
    target: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=500,
                description="Only entries about this target, such as `run:<id>` or `key:<id>`.",
            ),
        ]
        | None
    ) = None
    actor: (
        Annotated[
            str, msgspec.Meta(max_length=200, description="Only entries of this actor, such as `key:<id>`.")
        ]
        | None
    ) = None
    since: (
        Annotated[
            datetime, msgspec.Meta(tz=True, description="Only entries of this time or later (RFC 3339).")
        ]
        | None
    ) = None
    until: (
        Annotated[datetime, msgspec.Meta(tz=True, description="Only entries before this time (RFC 3339).")]
        | None
    ) = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="The largest number of items.")] = 50
    cursor: Cursor | None = None


LIST = Operation(
    "GET",
    "/v1/audit",
    "listAudit",
    "List audit entries, newest first",
    {200: ResponseSpec("A page.", AuditPage)},
    description=(
        "An entry is committed in the same transaction as the action it records. `hash` is the SHA-256 of "
        "all other fields, `previous` is the hash of the entry before; `visapi audit verify` checks the "
        "chain."
    ),
    tag="audit",
    scope="audit:read",
    query=AuditQuery,
)


class AuditRoutes:
    """The handler of the operation above."""

    def __init__(self, audit: Audit, cursors: Cursors) -> None:
        self._audit = audit
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [Route(LIST, self.list)]

    async def list(self, call: Call) -> AsgiResponse:
        query: AuditQuery = call.query
        wanted = AuditFilter(query.action, query.target, query.actor, query.since, query.until)
        position = self._cursors.position(call)
        below = None if position is None else int(position)
        page = await self._audit.page(call.principal.tenant, wanted, below, query.limit)
        return json_response(self._cursors.page(call, page))
