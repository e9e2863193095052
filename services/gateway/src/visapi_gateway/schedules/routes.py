"""Schedules: starting workflows at times."""

from typing import Any

import msgspec

from visapi_common.contracts.schedules import Backfill, Backfilled, SchedulePage, ScheduleView
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response
from visapi_gateway.kernel.idempotency.rules import read_answer
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.schedules.service import Schedules

_WRITE: dict[str, Any] = {
    "tag": "schedules",
    "scope": "workflows:write",
    "problems": ("schedule_not_found",),
    "limited_keys": "narrowed",
}
_START: dict[str, Any] = {
    **_WRITE,
    "problems": ("schedule_not_found", "too_many_open_runs", "run_quota_exceeded"),
    "starts_runs": True,
}
_PATH = "/v1/schedules/{namespace:str}/{name:str}"


class Started(msgspec.Struct, frozen=True):
    """The run that was started."""

    run: str
    links: dict[str, str]


LIST = Operation(
    "GET",
    "/v1/schedules",
    "listSchedules",
    "List schedules by name",
    {200: ResponseSpec("A page.", SchedulePage)},
    tag="schedules",
    scope="workflows:read",
    query=Listing,
    limited_keys="narrowed",
)
READ = Operation(
    "GET",
    _PATH,
    "readSchedule",
    "Read a schedule, its next times and its latest decisions",
    {200: ResponseSpec("The schedule.", ScheduleView)},
    tag="schedules",
    scope="workflows:read",
    problems=("schedule_not_found",),
    limited_keys="narrowed",
)
PAUSE = Operation(
    "POST", f"{_PATH}/pause", "pauseSchedule", "Pause a schedule",
    {200: ResponseSpec("It is paused.", ScheduleView)}, **_WRITE,
)  # fmt: skip
RESUME = Operation(
    "POST", f"{_PATH}/resume", "resumeSchedule", "Resume a schedule from now on",
    {200: ResponseSpec("It goes on.", ScheduleView)}, **_WRITE,
)  # fmt: skip
TRIGGER = Operation(
    "POST", f"{_PATH}/trigger", "triggerSchedule", "Start a run of a schedule now",
    {202: ResponseSpec("The run is committed.", Started, headers=("Location",))},
    once="starts one run", **_START,
)  # fmt: skip
BACKFILL = Operation(
    "POST",
    f"{_PATH}/backfill",
    "backfillSchedule",
    "Backfill the times of a range that were never run",
    {202: ResponseSpec("The runs are committed.", Backfilled)},
    description="Each time runs once: a repeated request starts nothing. At most 1,000 times; `dry_run` only "
    "counts.",
    once="backfills once",
    body=Backfill,
    body_required=True,
    **_START,
)


class ScheduleRoutes:
    """The handlers of the operations above."""

    def __init__(self, schedules: Schedules, cursors: Cursors) -> None:
        self._schedules = schedules
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(PAUSE, self.pause),
            Route(RESUME, self.resume),
            Route(TRIGGER, self.trigger, self.triggered),
            Route(BACKFILL, self.backfill, self.backfilled),
        ]

    async def list(self, call: Call) -> AsgiResponse:
        position = self._cursors.position(call)
        after = None if position is None else (position.partition("/")[0], position.partition("/")[2])
        page = await self._schedules.page(call.principal.tenant, after, call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._schedules.view(_name(call)))

    async def pause(self, call: Call) -> AsgiResponse:
        return json_response(await self._schedules.pause(call.requester, _name(call), paused=True))

    async def resume(self, call: Call) -> AsgiResponse:
        return json_response(await self._schedules.pause(call.requester, _name(call), paused=False))

    async def trigger(self, call: Call) -> AsgiResponse:
        return _triggered(await self._schedules.run_now(call.requester, _name(call), call.claim))

    async def triggered(self, _: Call, answer: str) -> AsgiResponse:
        return _triggered(read_answer(answer, Backfilled))

    async def backfill(self, call: Call) -> AsgiResponse:
        wanted: Backfill = await read_json(BACKFILL, call)
        done = await self._schedules.backfill(call.requester, _name(call), wanted, call.claim)
        return json_response(done, 202)

    async def backfilled(self, _: Call, answer: str) -> AsgiResponse:
        return json_response(read_answer(answer, Backfilled), 202)


def _triggered(done: Backfilled) -> AsgiResponse:
    run = str(done.runs[0])
    place = f"/v1/runs/{run}"
    return json_response(Started(run, {"run": place}), 202, [(b"location", place.encode())])


def _name(call: Call) -> WorkflowName:
    return call.principal.tenant, call.path["namespace"], call.path["name"]
