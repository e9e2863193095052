"""Endpoints as a resource."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from visapi_common.contracts.endpoints import (
    EndpointName,
    EndpointPage,
    EndpointView,
    MadeEndpoint,
    NewEndpoint,
    RotateEndpoint,
    UpdateEndpoint,
)
from visapi_gateway.endpoints.managing.service import Endpoints
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.etags import shown_tag
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, json_response, located

_READ: dict[str, Any] = {"tag": "endpoints", "scope": "endpoints:read"}
_WRITE: dict[str, Any] = {"tag": "endpoints", "scope": "endpoints:write"}
_SHOWN_ONCE = (
    " Only the first answer shows the secret: a replay of the request has null. Where that answer was lost,"
    " rotate the secret with `overlap_s` 0."
)


class EndpointsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[EndpointName, msgspec.Meta(description="Only the endpoint of this name.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


MAKE = Operation(
    "POST",
    "/v1/endpoints",
    "makeEndpoint",
    "Make an endpoint, to which VisAPI sends webhooks",
    {201: ResponseSpec("The endpoint; its secret is shown only once.", MadeEndpoint, headers=("Location",))},
    description=(
        "Webhooks are signed as Standard Webhooks 1.0 says, tried ten times within three days, and carry the"
        " same `webhook-id` in each attempt. Those about runs and tasks need the scope `runs:read` too."
        f"{_SHOWN_ONCE}"
    ),
    once="makes one endpoint",
    body=NewEndpoint,
    body_required=True,
    problems=("endpoint_exists", "quota_exceeded"),
    **_WRITE,
)
LIST = Operation(
    "GET",
    "/v1/endpoints",
    "listEndpoints",
    "List endpoints, by name",
    {200: ResponseSpec("A page.", EndpointPage)},
    query=EndpointsQuery,
    **_READ,
)
READ = Operation(
    "GET",
    "/v1/endpoints/{endpoint:uuid}",
    "readEndpoint",
    "Read an endpoint",
    {200: ResponseSpec("The endpoint, without its secrets.", EndpointView)},
    problems=("endpoint_not_found",),
    **_READ,
)
UPDATE = Operation(
    "PATCH",
    "/v1/endpoints/{endpoint:uuid}",
    "updateEndpoint",
    "Enable, disable or change an endpoint",
    {200: ResponseSpec("The endpoint as it is now.", EndpointView)},
    description=(
        "A disabled endpoint gets no new webhooks, and those that wait stay. Enabled again, it is sent what "
        "waits, and what happens from then on."
    ),
    body=UpdateEndpoint,
    body_required=True,
    problems=("endpoint_not_found",),
    if_match="optional",
    **_WRITE,
)
ROTATE = Operation(
    "POST",
    "/v1/endpoints/{endpoint:uuid}/rotate",
    "rotateEndpointSecret",
    "Give an endpoint a new secret",
    {200: ResponseSpec("The endpoint; the new secret is shown only once.", MadeEndpoint)},
    description=f"Every valid secret signs each webhook; up to 4 may be valid at once.{_SHOWN_ONCE}",
    once="gives one secret",
    body=RotateEndpoint,
    problems=("endpoint_not_found", "quota_exceeded"),
    if_match="optional",
    **_WRITE,
)
REMOVE = Operation(
    "DELETE",
    "/v1/endpoints/{endpoint:uuid}",
    "removeEndpoint",
    "Remove an endpoint",
    {204: ResponseSpec("The endpoint and its secrets are removed; nothing more is sent.")},
    problems=("endpoint_not_found",),
    if_match="optional",
    **_WRITE,
)


class EndpointRoutes:
    """The handlers of the operations above."""

    def __init__(self, endpoints: Endpoints, cursors: Cursors) -> None:
        self._endpoints = endpoints
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(MAKE, self.make, self.made_before),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(UPDATE, self.update),
            Route(ROTATE, self.rotate, self.rotated_before),
            Route(REMOVE, self.remove),
        ]

    async def make(self, call: Call) -> AsgiResponse:
        return located(
            await self._endpoints.make(call.requester, await read_json(MAKE, call), call.claim), 201
        )

    async def made_before(self, call: Call, answer: str) -> AsgiResponse:
        return located(await self._endpoints.made_before(call.principal.tenant, UUID(answer)), 201)

    async def list(self, call: Call) -> AsgiResponse:
        query: EndpointsQuery = call.query
        position = self._cursors.position(call)
        page = await self._endpoints.page(call.principal.tenant, query.name, position, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._endpoints.one(call.principal.tenant, call.path["endpoint"]))

    async def update(self, call: Call) -> AsgiResponse:
        wanted: UpdateEndpoint = await read_json(UPDATE, call)
        who, endpoint = call.requester, call.path["endpoint"]
        return json_response(await self._endpoints.update(who, endpoint, wanted, call.if_match))

    async def rotate(self, call: Call) -> AsgiResponse:
        wanted: RotateEndpoint = await read_json(ROTATE, call)
        who, endpoint = call.requester, call.path["endpoint"]
        return _rotated(await self._endpoints.rotate(who, endpoint, wanted, call.if_match, call.claim))

    async def rotated_before(self, call: Call, answer: str) -> AsgiResponse:
        return _rotated(await self._endpoints.made_before(call.principal.tenant, UUID(answer)))

    async def remove(self, call: Call) -> AsgiResponse:
        await self._endpoints.remove(call.requester, call.path["endpoint"], call.if_match)
        return EmptyResponse(204)


def _rotated(endpoint: MadeEndpoint) -> AsgiResponse:
    """The secret is no part of the tag: the tag is the one that a read of the endpoint shows."""
    view = EndpointView(**{name: getattr(endpoint, name) for name in EndpointView.__struct_fields__})
    return json_response(endpoint, 200, [(b"etag", shown_tag(view).encode())])
