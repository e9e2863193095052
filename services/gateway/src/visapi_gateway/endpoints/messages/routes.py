"""What was sent to an endpoint, and sending it again."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from visapi_common.contracts.endpoints import MessageDetails, MessagePage, MessageState, ReplayMessage
from visapi_common.core.endpoint_types import RUN, TASK
from visapi_gateway.endpoints.messages.service import Messages
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response, located

_MESSAGES = "/v1/endpoints/{endpoint:uuid}/messages"
_READ: dict[str, Any] = {"tag": "endpoints", "scope": "endpoints:read"}
_WRITE: dict[str, Any] = {"tag": "endpoints", "scope": "endpoints:write"}


class MessagesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Annotated[MessageState, msgspec.Meta(description="Only messages of this state.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


PING = Operation(
    "POST",
    "/v1/endpoints/{endpoint:uuid}/ping",
    "pingEndpoint",
    "Send an endpoint a webhook that tells of nothing",
    {202: ResponseSpec("The webhook waits to be sent.", MessageDetails, headers=("Location",))},
    description="Its type is `endpoint.ping`, whatever types the endpoint asks for.",
    once="sends one webhook",
    problems=("endpoint_not_found", "endpoint_disabled", "quota_exceeded"),
    **_WRITE,
)
LIST = Operation(
    "GET",
    _MESSAGES,
    "listEndpointMessages",
    "List what was sent to an endpoint, newest first",
    {200: ResponseSpec("A page.", MessagePage)},
    query=MessagesQuery,
    problems=("endpoint_not_found",),
    **_READ,
)
READ = Operation(
    "GET",
    f"{_MESSAGES}/{{message:uuid}}",
    "readEndpointMessage",
    "Read a webhook with its body and its attempts",
    {
        200: ResponseSpec(
            "The webhook with its latest 50 attempts; what is secret or personal is masked.", MessageDetails
        )
    },
    description="A key without `runs:read` sees no body of a webhook about a run or a task.",
    problems=("endpoint_not_found", "message_not_found"),
    **_READ,
)
REPLAY = Operation(
    "POST",
    f"{_MESSAGES}/{{message:uuid}}/replay",
    "replayEndpointMessage",
    "Send a webhook again",
    {
        202: ResponseSpec(
            "The webhook waits to be sent, up to ten times more.", MessageDetails, headers=("Location",)
        )
    },
    description="Its `webhook-id` stays, so that the receiver can tell that it is the same webhook.",
    once="sends it again once",
    body=ReplayMessage,
    problems=("endpoint_not_found", "message_not_found", "quota_exceeded"),
    **_WRITE,
)


class MessageRoutes:
    """The handlers of the operations above."""

    def __init__(self, messages: Messages, cursors: Cursors) -> None:
        self._messages = messages
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(PING, self.ping, self.pinged),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(REPLAY, self.replay, self.replayed),
        ]

    async def ping(self, call: Call) -> AsgiResponse:
        return located(await self._messages.ping(call.requester, call.path["endpoint"], call.claim), 202)

    async def pinged(self, call: Call, answer: str) -> AsgiResponse:
        tenant, endpoint = call.principal.tenant, call.path["endpoint"]
        return located(await self._messages.one(tenant, endpoint, UUID(answer)), 202)

    async def list(self, call: Call) -> AsgiResponse:
        query: MessagesQuery = call.query
        position = self._cursors.position(call)
        below = None if position is None else int(position)
        tenant, endpoint = call.principal.tenant, call.path["endpoint"]
        page = await self._messages.page(tenant, endpoint, query.state, below, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._one(call))

    async def replay(self, call: Call) -> AsgiResponse:
        asked: ReplayMessage = await read_json(REPLAY, call)
        who, path = call.requester, call.path
        replayed = await self._messages.replay(who, path["endpoint"], path["message"], asked, call.claim)
        return located(_seen_by(call, replayed), 202)

    async def replayed(self, call: Call, _: str) -> AsgiResponse:
        return located(await self._one(call), 202)

    async def _one(self, call: Call) -> MessageDetails:
        path = call.path
        return _seen_by(
            call, await self._messages.one(call.principal.tenant, path["endpoint"], path["message"])
        )


def _seen_by(call: Call, message: MessageDetails) -> MessageDetails:
    """Bodies about runs and tasks hold outputs of runs."""
    hidden = message.type.startswith((RUN, TASK)) and not call.principal.may("runs:read")
    return msgspec.structs.replace(message, body=None) if hidden else message
