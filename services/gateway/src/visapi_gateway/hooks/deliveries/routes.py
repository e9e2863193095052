"""Deliveries and refusals of a hook, and replays."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from visapi_common.contracts.hooks import (
    HookDeliveryDetails,
    HookDeliveryPage,
    HookDeliveryView,
    Refusals,
    ReplayHookDelivery,
)
from visapi_gateway.hooks.deliveries.service import Deliveries
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response, located

_DELIVERIES = "/v1/hooks/{hook:uuid}/deliveries"
_READ: dict[str, Any] = {"tag": "hooks", "scope": "hooks:read"}


class DeliveriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    delivery: (
        Annotated[
            str, msgspec.Meta(max_length=900, description="Only the delivery with this id of the provider.")
        ]
        | None
    ) = None
    limit: Limit = 50
    cursor: Cursor | None = None


LIST = Operation(
    "GET",
    _DELIVERIES,
    "listHookDeliveries",
    "List what a hook accepted, newest first",
    {200: ResponseSpec("A page.", HookDeliveryPage)},
    query=DeliveriesQuery,
    problems=("hook_not_found",),
    **_READ,
)
READ = Operation(
    "GET",
    f"{_DELIVERIES}/{{delivery:uuid}}",
    "readHookDelivery",
    "Read a delivery and its event",
    {200: ResponseSpec("The delivery; secrets and personal data are masked.", HookDeliveryDetails)},
    problems=("hook_not_found", "hook_delivery_not_found"),
    **_READ,
)
REPLAY = Operation(
    "POST",
    f"{_DELIVERIES}/{{delivery:uuid}}/replay",
    "replayHookDelivery",
    "Send the event of a delivery to workflows once more",
    {
        202: ResponseSpec(
            "The event is committed again, under the id `<event>/replay/<id>`.",
            HookDeliveryView,
            headers=("Location",),
        )
    },
    description="A replay is an event of its own: it starts and resumes workflows again.",
    once="replays once",
    body=ReplayHookDelivery,
    problems=("hook_not_found", "hook_delivery_not_found", "hook_delivery_not_kept"),
    tag="hooks",
    scope="hooks:write",
)
REFUSALS = Operation(
    "GET",
    "/v1/hooks/{hook:uuid}/refusals",
    "listHookRefusals",
    "List why a hook refused requests: how many by reason, and the latest 20",
    {200: ResponseSpec("The refusals.", Refusals)},
    problems=("hook_not_found",),
    **_READ,
)


class DeliveryRoutes:
    """The handlers of the operations above."""

    def __init__(self, deliveries: Deliveries, cursors: Cursors) -> None:
        self._deliveries = deliveries
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(REPLAY, self.replay, self.replayed),
            Route(REFUSALS, self.refusals),
        ]

    async def list(self, call: Call) -> AsgiResponse:
        query: DeliveriesQuery = call.query
        position = self._cursors.position(call)
        before = None if position is None else UUID(position)
        page = await self._deliveries.page(
            call.principal.tenant, call.path["hook"], before, query.delivery, query.limit
        )
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        path = call.path
        return json_response(
            await self._deliveries.one(call.principal.tenant, path["hook"], path["delivery"])
        )

    async def replay(self, call: Call) -> AsgiResponse:
        asked: ReplayHookDelivery = await read_json(REPLAY, call)
        who, path = call.requester, call.path
        view = await self._deliveries.replay(who, path["hook"], path["delivery"], asked, call.claim)
        return located(view, 202)

    async def replayed(self, call: Call, _: str) -> AsgiResponse:
        path = call.path
        return located(
            await self._deliveries.view(call.principal.tenant, path["hook"], path["delivery"]), 202
        )

    async def refusals(self, call: Call) -> AsgiResponse:
        return json_response(await self._deliveries.refusals(call.principal.tenant, call.path["hook"]))
