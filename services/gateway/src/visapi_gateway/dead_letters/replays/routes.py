"""Replays of many dead letters: count the letters, start, follow, abort."""

from typing import Any
from uuid import UUID

from visapi_common.contracts.dead_letters import (
    CountReplay,
    ReplayCount,
    ReplayDeadLetter,
    ReplayPage,
    ReplayView,
    StartReplay,
)
from visapi_gateway.dead_letters.replays.service import ManyReplays
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response, located

_REPLAYS = "/v1/dead-letters/replays"
_READ: dict[str, Any] = {"tag": "dead letters", "scope": "dead-letters:read"}
_WRITE: dict[str, Any] = {"tag": "dead letters", "scope": "dead-letters:write"}

COUNT = Operation(
    "POST",
    f"{_REPLAYS}/count",
    "countReplay",
    "Count the dead letters that a replay of many would take",
    {200: ResponseSpec("The number of open dead letters.", ReplayCount)},
    description="Changes nothing.",
    body=CountReplay,
    body_required=True,
    **_READ,
)
START = Operation(
    "POST",
    _REPLAYS,
    "startReplay",
    "Replay many dead letters by filter, at a rate",
    {202: ResponseSpec("The replay is committed and runs.", ReplayView, headers=("Location",))},
    description=(
        "Takes the open dead letters of the key's tenant that match now, oldest first, up to 100,000. A "
        "letter that cannot be put back becomes open again, and stops no other. A tenant has at most five "
        "replays that run."
    ),
    once="starts one replay",
    body=StartReplay,
    body_required=True,
    problems=("quota_exceeded",),
    **_WRITE,
)
LIST = Operation(
    "GET",
    _REPLAYS,
    "listReplays",
    "List replays of many dead letters, newest first",
    {200: ResponseSpec("A page.", ReplayPage)},
    description="They are kept for 30 days.",
    query=Listing,
    **_READ,
)
READ = Operation(
    "GET",
    f"{_REPLAYS}/{{replay:uuid}}",
    "readReplay",
    "Follow a replay of many dead letters",
    {200: ResponseSpec("The replay and its progress.", ReplayView)},
    problems=("replay_not_found",),
    **_READ,
)
ABORT = Operation(
    "POST",
    f"{_REPLAYS}/{{replay:uuid}}/abort",
    "abortReplay",
    "Abort a replay of many dead letters",
    {200: ResponseSpec("No more dead letters are asked for.", ReplayView)},
    description="Dead letters that were asked for before are still put back.",
    once="aborts once",
    body=ReplayDeadLetter,
    problems=("replay_not_found", "replay_ended"),
    **_WRITE,
)


class ReplayRoutes:
    """The handlers of the operations above."""

    def __init__(self, replays: ManyReplays, cursors: Cursors) -> None:
        self._replays = replays
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(COUNT, self.count),
            Route(START, self.start, self.started),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(ABORT, self.abort, self.aborted),
        ]

    async def count(self, call: Call) -> AsgiResponse:
        wanted: CountReplay = await read_json(COUNT, call)
        return json_response(ReplayCount(await self._replays.count(call.requester, wanted.filter)))

    async def start(self, call: Call) -> AsgiResponse:
        wanted: StartReplay = await read_json(START, call)
        return located(await self._replays.start(call.requester, wanted, call.claim), 202)

    async def started(self, call: Call, answer: str) -> AsgiResponse:
        return located(await self._replays.one(call.principal.tenant, UUID(answer)), 202)

    async def list(self, call: Call) -> AsgiResponse:
        query: Listing = call.query
        position = self._cursors.position(call)
        before = None if position is None else UUID(position)
        page = await self._replays.page(call.principal.tenant, before, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._replays.one(call.principal.tenant, call.path["replay"]))

    async def abort(self, call: Call) -> AsgiResponse:
        asked: ReplayDeadLetter = await read_json(ABORT, call)
        who, replay = call.requester, call.path["replay"]
        return json_response(await self._replays.abort(who, replay, asked.reason, call.claim))

    async def aborted(self, call: Call, _: str) -> AsgiResponse:
        return await self.read(call)
