"""API keys."""

from functools import partial
from typing import Any

from visapi_common.contracts.keys import (
    ChangeKey,
    DisableKey,
    KeyPage,
    KeyView,
    LeakReceived,
    LeakReport,
    MadeKey,
    NewKey,
    RotateKey,
)
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.etags import none_match
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, Header, json_response
from visapi_gateway.keys.address_rates import AddressRates
from visapi_gateway.keys.leaks import LeakReports
from visapi_gateway.keys.rules import tag_of
from visapi_gateway.keys.service import Keys

_ADMIN: dict[str, Any] = {"tag": "keys", "scope": "keys:admin", "test_keys": "open"}
_PATH = "/v1/keys/{key:str}"
_SHOWN_ONCE = (
    "Only the first answer shows the key: it is not stored, so a replay of the request has `key` null. Where "
    "the first answer was lost, rotate the key with `overlap_s` 0."
)
_ENDS: tuple[str, ...] = ("key_not_found", "key_ended")

MAKE = Operation(
    "POST",
    "/v1/keys",
    "makeKey",
    "Make an API key",
    {201: ResponseSpec("The key; it is shown only once.", MadeKey, headers=("Location", "ETag"))},
    description=f"A key that is made by one with an end ends with its maker, or earlier. {_SHOWN_ONCE}",
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
    {200: ResponseSpec("The key behind this request.", KeyView, headers=("ETag",))},
    tag="keys",
    limited_keys="open",
)
REPORT_LEAK = Operation(
    "POST",
    "/v1/keys/report-leak",
    "reportLeakedKey",
    "Revoke an API key by showing it",
    {202: ResponseSpec("If the key is one of this installation, it is revoked now.", LeakReceived)},
    description=(
        "Needs no key: having the leaked one is proof enough. The answer is the same for keys that do not "
        "exist. Of reports that revoke nothing an address may send 10 at once, and 10 a minute, at each "
        "replica."
    ),
    tag="keys",
    public=True,
    body=LeakReport,
    body_required=True,
    problems=("rate_limited",),
)
READ = Operation(
    "GET",
    _PATH,
    "readKey",
    "Read an API key",
    {
        200: ResponseSpec("The key, without its secret.", KeyView, headers=("ETag",)),
        304: ResponseSpec("The key is unchanged.", headers=("ETag",)),
    },
    headers={"If-None-Match": "An ETag from an earlier response. Uses of the key do not change it."},
    problems=("key_not_found",),
    **_ADMIN,
)
CHANGE = Operation(
    "PATCH",
    _PATH,
    "changeKey",
    "Change what an API key may do",
    {200: ResponseSpec("The key as it is now.", KeyView, headers=("ETag",))},
    if_match="required",
    body=ChangeKey,
    body_required=True,
    problems=_ENDS,
    **_ADMIN,
)
REVOKE = Operation(
    "DELETE",
    _PATH,
    "revokeKey",
    "Revoke an API key for good",
    {204: ResponseSpec("The key is revoked: on this replica already, on all within 10 seconds.")},
    if_match="optional",
    problems=("key_not_found",),
    **_ADMIN,
)
DISABLE = Operation(
    "POST",
    f"{_PATH}/disable",
    "disableKey",
    "Disable an API key until it is enabled again",
    {200: ResponseSpec("The key is refused from now on.", KeyView, headers=("ETag",))},
    description="Requests with the key are answered `401` (`key_disabled`) with the reason.",
    if_match="optional",
    body=DisableKey,
    body_required=True,
    problems=_ENDS,
    **_ADMIN,
)
ENABLE = Operation(
    "POST",
    f"{_PATH}/enable",
    "enableKey",
    "Enable a disabled API key",
    {200: ResponseSpec("The key as it is now.", KeyView, headers=("ETag",))},
    if_match="optional",
    problems=_ENDS,
    **_ADMIN,
)
ROTATE = Operation(
    "POST",
    f"{_PATH}/rotate",
    "rotateKey",
    "Make a successor of an API key",
    {
        201: ResponseSpec(
            "The successor, shown only once; the old key ends after the overlap.",
            MadeKey,
            headers=("Location", "ETag"),
        )
    },
    description=_SHOWN_ONCE,
    once="makes one successor",
    if_match="optional",
    body=RotateKey,
    problems=(*_ENDS, "quota_exceeded"),
    **_ADMIN,
)


class KeyRoutes:
    """The handlers of the operations above."""

    def __init__(self, keys: Keys, cursors: Cursors, report: LeakReports, reports: AddressRates) -> None:
        self._keys = keys
        self._cursors = cursors
        self._report = report
        self._reports = reports

    def routes(self) -> list[Route]:
        return [
            Route(MAKE, self.make, self.made_before),
            Route(LIST, self.list),
            Route(CURRENT, self.current),
            Route(REPORT_LEAK, self.report_leak),
            Route(READ, self.read),
            Route(CHANGE, self.change),
            Route(REVOKE, self.revoke),
            Route(DISABLE, self.disable),
            Route(ENABLE, self.enable),
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
        return _shown(await self._keys.view(call.principal.tenant, call.principal.key))

    async def report_leak(self, call: Call) -> AsgiResponse:
        report: LeakReport = await read_json(REPORT_LEAK, call)
        charge = partial(self._reports.check, call.context.slot.peer)
        return json_response(await self._report(report, call.context.request_id, charge), 202)

    async def read(self, call: Call) -> AsgiResponse:
        key = await self._keys.view(call.principal.tenant, call.path["key"])
        if none_match(call.header(b"if-none-match"), tag_of(key)):
            return EmptyResponse(304, [(b"etag", tag_of(key).encode())])
        return _shown(key)

    async def change(self, call: Call) -> AsgiResponse:
        change: ChangeKey = await read_json(CHANGE, call)
        if_match = call.if_match
        assert if_match is not None, "the operation requires it"
        return _shown(await self._keys.change(call.requester, call.path["key"], change, if_match))

    async def revoke(self, call: Call) -> AsgiResponse:
        await self._keys.revoke(call.requester, call.path["key"], call.if_match)
        return EmptyResponse(204)

    async def disable(self, call: Call) -> AsgiResponse:
        wanted: DisableKey = await read_json(DISABLE, call)
        who, key = call.requester, call.path["key"]
        return _shown(await self._keys.disable(who, key, wanted.reason, call.if_match))

    async def enable(self, call: Call) -> AsgiResponse:
        return _shown(await self._keys.enable(call.requester, call.path["key"], call.if_match))

    async def rotate(self, call: Call) -> AsgiResponse:
        wanted: RotateKey = await read_json(ROTATE, call)
        who, key = call.requester, call.path["key"]
        return _made(await self._keys.rotate(who, key, wanted.overlap_s, call.if_match, call.claim))


def _shown(key: KeyView) -> AsgiResponse:
    headers: list[Header] = [(b"etag", tag_of(key).encode()), (b"cache-control", b"private, no-cache")]
    return json_response(key, 200, headers)


def _made(key: MadeKey) -> AsgiResponse:
    view = KeyView(**{name: getattr(key, name) for name in KeyView.__struct_fields__})
    place = f"/v1/keys/{key.id}".encode()
    return json_response(key, 201, [(b"location", place), (b"etag", tag_of(view).encode())])
