"""API keys."""

from typing import Any

from visapi_common.contracts.keys import KeyPage, KeyView, MadeKey, NewKey, RotateKey
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, json_response
from visapi_gateway.keys.service import Keys

_ADMIN: dict[str, Any] = {"tag": "keys", "scope": "keys:admin"}
_SHOWN_ONCE = (
    "Only the first answer shows the key: it is not stored, so a replay of the request has `key` null. Where "
    "the first answer was lost, rotate the key with `overlap_s` 0."
)

MAKE = Operation(
    "POST",
    "/v1/keys",
    "makeKey",
    "Make an API key",
    {201: ResponseSpec("The key; it is shown only once.", MadeKey, headers=("Location",))},
    description=_SHOWN_ONCE,
    once="makes one API key",
    body=NewKey,
    body_required=True,
    problems=("quota_exceeded",),
    **_ADMIN,
)
LIST = Operation(
    "GET",
    "/v1/keys",
    "listKeys",
    "List API keys",
    {200: ResponseSpec("A page.", KeyPage)},
    query=Listing,
    **_ADMIN,
)
CURRENT = Operation(
    "GET",
    "/v1/keys/current",
    "readCurrentKey",
    "Read the key of this request",
    {200: ResponseSpec("The key behind this request.", KeyView)},
    tag="keys",
)
REVOKE = Operation(
    "DELETE",
    "/v1/keys/{key:str}",
    "revokeKey",
    "Revoke an API key",
    {204: ResponseSpec("The key is revoked: on this replica at once, on all within 10 seconds.")},
    problems=("key_not_found",),
    **_ADMIN,
)
ROTATE = Operation(
    "POST",
    "/v1/keys/{key:str}/rotate",
    "rotateKey",
    "Make a successor of an API key",
    {
        201: ResponseSpec(
            "The successor, shown only once; the old key ends after the overlap.",
            MadeKey,
            headers=("Location",),
        )
    },
    description=_SHOWN_ONCE,
    once="makes one successor",
    body=RotateKey,
    problems=("key_not_found", "quota_exceeded"),
    **_ADMIN,
)


class KeyRoutes:
    """The handlers of the operations above."""

    def __init__(self, keys: Keys, cursors: Cursors) -> None:
        self._keys = keys
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(MAKE, self.make, self.made_before),
            Route(LIST, self.list),
            Route(CURRENT, self.current),
            Route(REVOKE, self.revoke),
            Route(ROTATE, self.rotate, self.made_before),
        ]

    async def make(self, call: Call) -> AsgiResponse:
        return _made(await self._keys.make(call.requester, await read_json(MAKE, call), call.claim))

    async def made_before(self, call: Call, answer: str) -> AsgiResponse:
        return _made(await self._keys.made_before(call.principal.tenant, answer))

    async def list(self, call: Call) -> AsgiResponse:
        page = await self._keys.page(call.principal.tenant, self._cursors.position(call), call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def current(self, call: Call) -> AsgiResponse:
        return json_response(await self._keys.view(call.principal.tenant, call.principal.key))

    async def revoke(self, call: Call) -> AsgiResponse:
        await self._keys.revoke(call.requester, call.path["key"])
        return EmptyResponse(204)

    async def rotate(self, call: Call) -> AsgiResponse:
        wanted: RotateKey = await read_json(ROTATE, call)
        who, key = call.requester, call.path["key"]
        return _made(await self._keys.rotate(who, key, wanted.overlap_s, call.claim))


def _made(key: MadeKey) -> AsgiResponse:
    return json_response(key, 201, [(b"location", f"/v1/keys/{key.id}".encode())])
