"""Hooks as a resource: made, listed, changed, rotated and removed with a key."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from visapi_common.contracts.hooks import (
    HookName,
    HookPage,
    HookView,
    MadeHook,
    NewHook,
    RotateHook,
    UpdateHook,
)
from visapi_gateway.hooks.managing.service import Hooks
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.etags import shown_tag
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, json_response, located

_READ: dict[str, Any] = {"tag": "hooks", "scope": "hooks:read"}
_WRITE: dict[str, Any] = {"tag": "hooks", "scope": "hooks:write"}
_SHOWN_ONCE = (
    " Only the first answer shows a generated secret: a replay of the request has null. Where that answer"
    " was lost, rotate the secret with `overlap_s` 0."
)


class HooksQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[HookName, msgspec.Meta(description="Only the hook of this name.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


MAKE = Operation(
    "POST",
    "/v1/hooks",
    "makeHook",
    "Make a hook, to which a provider sends webhooks",
    {201: ResponseSpec("The hook; a generated secret is shown only once.", MadeHook, headers=("Location",))},
    description=(
        "Give the provider the hook's `path` on your host, and the same secret. Each verified request becomes"
        " an event of type `hook.<provider>.<event>`. The provider `none` verifies nothing: whoever knows"
        f" the path may send.{_SHOWN_ONCE}"
    ),
    once="makes one hook",
    body=NewHook,
    body_required=True,
    problems=("hook_exists", "quota_exceeded"),
    **_WRITE,
)
LIST = Operation(
    "GET",
    "/v1/hooks",
    "listHooks",
    "List hooks, by name",
    {200: ResponseSpec("A page.", HookPage)},
    query=HooksQuery,
    **_READ,
)
READ = Operation(
    "GET",
    "/v1/hooks/{hook:uuid}",
    "readHook",
    "Read a hook",
    {200: ResponseSpec("The hook, without the values of its secrets.", HookView)},
    problems=("hook_not_found",),
    **_READ,
)
UPDATE = Operation(
    "PATCH",
    "/v1/hooks/{hook:uuid}",
    "updateHook",
    "Enable, disable or configure a hook",
    {200: ResponseSpec("The hook as it is now; a disabled hook refuses every request.", HookView)},
    body=UpdateHook,
    body_required=True,
    problems=("hook_not_found",),
    if_match="optional",
    **_WRITE,
)
ROTATE = Operation(
    "POST",
    "/v1/hooks/{hook:uuid}/rotate",
    "rotateHookSecret",
    "Give a hook a new secret",
    {200: ResponseSpec("The hook; a generated secret is shown only once.", MadeHook)},
    description=(
        f"Both secrets are accepted until the earlier one ends. Up to 4 may be valid at once.{_SHOWN_ONCE}"
    ),
    once="gives one secret",
    body=RotateHook,
    problems=("hook_not_found", "quota_exceeded"),
    if_match="optional",
    **_WRITE,
)
REMOVE = Operation(
    "DELETE",
    "/v1/hooks/{hook:uuid}",
    "removeHook",
    "Remove a hook",
    {204: ResponseSpec("The hook and its secrets are removed; its deliveries go within minutes.")},
    problems=("hook_not_found",),
    if_match="optional",
    **_WRITE,
)


class HookRoutes:
    """The handlers of the operations above."""

    def __init__(self, hooks: Hooks, cursors: Cursors) -> None:
        self._hooks = hooks
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
        return located(await self._hooks.make(call.requester, await read_json(MAKE, call), call.claim), 201)

    async def made_before(self, call: Call, answer: str) -> AsgiResponse:
        return located(await self._hooks.made_before(call.principal.tenant, UUID(answer)), 201)

    async def list(self, call: Call) -> AsgiResponse:
        query: HooksQuery = call.query
        position = self._cursors.position(call)
        page = await self._hooks.page(call.principal.tenant, query.name, position, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._hooks.one(call.principal.tenant, call.path["hook"]))

    async def update(self, call: Call) -> AsgiResponse:
        wanted: UpdateHook = await read_json(UPDATE, call)
        hook = call.path["hook"]
        return json_response(await self._hooks.update(call.requester, hook, wanted, call.if_match))

    async def rotate(self, call: Call) -> AsgiResponse:
        wanted: RotateHook = await read_json(ROTATE, call)
        who, hook = call.requester, call.path["hook"]
        return _rotated(await self._hooks.rotate(who, hook, wanted, call.if_match, call.claim))

    async def rotated_before(self, call: Call, answer: str) -> AsgiResponse:
        return _rotated(await self._hooks.made_before(call.principal.tenant, UUID(answer)))

    async def remove(self, call: Call) -> AsgiResponse:
        await self._hooks.remove(call.requester, call.path["hook"], call.if_match)
        return EmptyResponse(204)


def _rotated(hook: MadeHook) -> AsgiResponse:
    """The secret is no part of the tag: the tag is the one that a read of the hook shows."""
    view = HookView(**{name: getattr(hook, name) for name in HookView.__struct_fields__})
    return json_response(hook, 200, [(b"etag", shown_tag(view).encode())])
