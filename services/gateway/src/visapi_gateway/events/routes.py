"""Events: posted by producers, consumed by workflows."""

from typing import Any

from visapi_common.contracts.gateway_bodies import EventReceipts
from visapi_common.core.cloudevents import BATCH, STRUCTURED
from visapi_gateway.events.service import AcceptEvents
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response

POST = Operation(
    "POST",
    "/v1/events",
    "postEvents",
    "Post events (CloudEvents 1.0)",
    {
        202: ResponseSpec(
            "The events are committed; a repeated event is marked as a duplicate.", EventReceipts
        )
    },
    description=(
        "Structured JSON, a JSON batch, or binary mode (`ce-` headers, the body is the data, of any type). "
        "`source` and `id` identify an event: posting it again changes nothing."
    ),
    tag="events",
    scope="events:write",
    headers={"ce-*": "The attributes of an event in binary mode."},
    body=Any,
    body_types=(STRUCTURED, BATCH, "application/json"),
    problems=("outcome_unknown",),
    test_keys="runs",
)


class EventRoutes:
    """The handler of the operation above."""

    def __init__(self, accept: AcceptEvents) -> None:
        self._accept = accept

    def routes(self) -> list[Route]:
        return [Route(POST, self.post)]

    async def post(self, call: Call) -> AsgiResponse:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()}
        media_type = headers.get("content-type", "").split(";")[0].strip().lower()
        body = await call.read_body()
        return json_response(await self._accept(call.principal, headers, media_type, body), 202)
