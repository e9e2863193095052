"""The rates of keys."""

from typing import Any

from visapi_common.contracts.rates import CurrentRates, Rate, RatePage, SetNamedRate, SetRate
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, json_response
from visapi_gateway.rates.allowances import KeyAllowances
from visapi_gateway.rates.service import Rates

_ADMIN: dict[str, Any] = {"tag": "rates", "scope": "keys:admin"}
_NAMED = "/v1/rates/{rate:str}"
_OF_KEY = "/v1/keys/{key:str}/rate"

LIST = Operation(
    "GET",
    "/v1/rates",
    "listRates",
    "List the rates that are set",
    {200: ResponseSpec("A page: those of keys, those under a name, that of the tenant.", RatePage)},
    description="Whatever is not listed has the operator's defaults.",
    query=Listing,
    **_ADMIN,
)
CURRENT = Operation(
    "GET",
    "/v1/rates/current",
    "readCurrentRates",
    "Read what the key of this request may take",
    {200: ResponseSpec("All policies that apply to the key, and what remains of each.", CurrentRates)},
    tag="rates",
)
READ = Operation(
    "GET",
    _NAMED,
    "readRate",
    "Read a rate of several keys",
    {200: ResponseSpec("The rate, with the keys that share it.", Rate)},
    problems=("rate_not_found",),
    **_ADMIN,
)
SET = Operation(
    "PUT",
    _NAMED,
    "setRate",
    "Limit what several keys take together",
    {200: ResponseSpec("The rate applies on this replica at once, on all within 10 seconds.", Rate)},
    description="Beside it, each key has its own rate, and the tenant has one.",
    body=SetNamedRate,
    body_required=True,
    problems=("quota_exceeded",),
    if_match="optional",
    **_ADMIN,
)
REMOVE = Operation(
    "DELETE",
    _NAMED,
    "removeRate",
    "Remove a rate of several keys",
    {204: ResponseSpec("The keys no longer share it.")},
    problems=("rate_not_found",),
    if_match="optional",
    **_ADMIN,
)
READ_OF_KEY = Operation(
    "GET",
    _OF_KEY,
    "readRateOfKey",
    "Read the rate of a key",
    {200: ResponseSpec("What is set; null is the operator's default.", Rate)},
    problems=("key_not_found",),
    **_ADMIN,
)
SET_OF_KEY = Operation(
    "PUT",
    _OF_KEY,
    "setRateOfKey",
    "Set the rate of a key",
    {200: ResponseSpec("The rate applies on this replica at once, on all within 10 seconds.", Rate)},
    description="The rate of the tenant bounds all of its keys together, whatever they have.",
    body=SetRate,
    body_required=True,
    problems=("key_not_found", "quota_exceeded"),
    if_match="optional",
    **_ADMIN,
)
RESET_OF_KEY = Operation(
    "DELETE",
    _OF_KEY,
    "resetRateOfKey",
    "Reset the rate of a key to the default",
    {204: ResponseSpec("The operator's defaults apply to the key.")},
    problems=("key_not_found", "rate_not_found"),
    if_match="optional",
    **_ADMIN,
)


class RateRoutes:
    """The handlers of the operations above."""

    def __init__(self, rates: Rates, allowances: KeyAllowances, cursors: Cursors) -> None:
        self._rates = rates
        self._allowances = allowances
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(LIST, self.list),
            Route(CURRENT, self.current),
            Route(READ, self.read),
            Route(SET, self.set),
            Route(REMOVE, self.remove),
            Route(READ_OF_KEY, self.read_of_key),
            Route(SET_OF_KEY, self.set_of_key),
            Route(RESET_OF_KEY, self.reset_of_key),
        ]

    async def list(self, call: Call) -> AsgiResponse:
        page = await self._rates.page(call.principal.tenant, self._cursors.position(call), call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def current(self, call: Call) -> AsgiResponse:
        return json_response(CurrentRates(self._allowances.of(call.principal).current()))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._rates.named(call.principal.tenant, call.path["rate"]))

    async def set(self, call: Call) -> AsgiResponse:
        wanted: SetNamedRate = await read_json(SET, call)
        name = call.path["rate"]
        return json_response(await self._rates.set_named(call.requester, name, wanted, call.if_match))

    async def remove(self, call: Call) -> AsgiResponse:
        await self._rates.remove_named(call.requester, call.path["rate"], call.if_match)
        return EmptyResponse(204)

    async def read_of_key(self, call: Call) -> AsgiResponse:
        return json_response(await self._rates.of_key(call.principal.tenant, call.path["key"]))

    async def set_of_key(self, call: Call) -> AsgiResponse:
        wanted: SetRate = await read_json(SET_OF_KEY, call)
        key = call.path["key"]
        return json_response(await self._rates.set_of_key(call.requester, key, wanted, call.if_match))

    async def reset_of_key(self, call: Call) -> AsgiResponse:
        await self._rates.reset_of_key(call.requester, call.path["key"], call.if_match)
        return EmptyResponse(204)
