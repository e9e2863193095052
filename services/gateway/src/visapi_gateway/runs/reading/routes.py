"""Reading and following runs."""

from typing import Annotated
from uuid import UUID

import msgspec

from visapi_common.contracts.runs import HistoryPage, RunPage, RunView
from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.api.lists import Cursor, Cursors
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import (
    AsgiResponse,
    EmptyResponse,
    Header,
    Response,
    encode,
    json_response,
)
from visapi_gateway.kernel.asgi.streams import EventStream
from visapi_gateway.runs.reading.follow import FollowRun
from visapi_gateway.runs.reading.rules.event_stream import last_event_id
from visapi_gateway.runs.reading.run_queries import FINDING, RunsQuery, filter_of
from visapi_gateway.runs.reading.service import RunViews

EVENTS = "text/event-stream"


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="The largest number of items.")] = 200
    cursor: Cursor | None = None
    after: (
        Annotated[int, msgspec.Meta(ge=0, le=999_999_999, description="Only items after this number.")] | None
    ) = None


LIST = Operation(
    "GET",
    "/v1/runs",
    "listRuns",
    "List runs, newest first",
    {
        200: ResponseSpec(
            "A page of runs. Inputs and outputs above 64 KiB are null in a list; read the run to get them.",
            RunPage,
        )
    },
    description=FINDING,
    scope="runs:read",
    query=RunsQuery,
    limited_keys="narrowed",
)
READ = Operation(
    "GET",
    "/v1/runs/{run:uuid}",
    "readRun",
    "Read a run",
    {
        200: ResponseSpec("The run.", RunView, headers=("ETag",)),
        304: ResponseSpec("The run is unchanged.", headers=("ETag",)),
    },
    scope="runs:read",
    headers={"If-None-Match": "An ETag from an earlier response."},
    problems=("run_not_found",),
    limited_keys="narrowed",
)
HISTORY = Operation(
    "GET",
    "/v1/runs/{run:uuid}/history",
    "readHistory",
    "Read or follow the history of a run",
    {
        200: ResponseSpec(
            "A page, or a stream of items until the run's end.", HistoryPage, ("application/json", EVENTS)
        )
    },
    description=(
        "As `text/event-stream` each item is one message with `id: <seq>`; the last message is `event: "
        "end`. A stream continues after `Last-Event-ID` or `?after=`. A page has at most 4 MiB of items "
        "and may hold fewer than `limit`; `next` continues."
    ),
    scope="runs:read",
    query=HistoryQuery,
    headers={"Last-Event-ID": "Number of the last item seen; for streams."},
    produces=("application/json", EVENTS),
    problems=("run_not_found", "invalid_header"),
    limited_keys="narrowed",
)


class ReadRoutes:
    """The handlers of the operations above."""

    def __init__(self, views: RunViews, follow: FollowRun, cursors: Cursors, metrics: Metrics) -> None:
        self._views = views
        self._follow = follow
        self._cursors = cursors
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [Route(LIST, self.list), Route(READ, self.read), Route(HISTORY, self.history)]

    async def list(self, call: Call) -> AsgiResponse:
        query: RunsQuery = call.query
        position = self._cursors.position(call)
        before = None if position is None else UUID(position)
        page = await self._views.page(call.principal.tenant, filter_of(query), before, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        tenant = call.principal.tenant
        row = await self._views.row(tenant, call.path["run"])
        tag = f'"{row.revision}-{row.status}"'
        headers: list[Header] = [(b"etag", tag.encode()), (b"cache-control", b"private, no-cache")]
        if _same(call.header(b"if-none-match"), tag):
            return EmptyResponse(304, headers)
        return json_response(await self._views.view(tenant, row), 200, headers)

    async def history(self, call: Call) -> AsgiResponse:
        tenant, run, query = call.principal.tenant, call.path["run"], call.query
        if call.media_type == EVENTS:
            after = _resume(call)
            # Before anything else, so that many new followers do not use up request slots.
            call.context.slot.follow()
            await self._follow.head(tenant, run)
            events = self._follow.stream(tenant, run, after)
            return EventStream(events, self._metrics.sse_followers, call.while_valid)
        position = self._cursors.position(call)
        after = int(position) if position is not None else query.after or 0
        items, more = await self._follow.page(tenant, run, after, query.limit)
        following = self._cursors.next(call, None if more is None else str(more))
        body = b'{"items":[%b],"next":%b}' % (b",".join(item for _, item in items), encode(following))
        return Response(200, body)


def _same(if_none_match: str | None, tag: str) -> bool:
    if if_none_match is None:
        return False
    given = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in given or "*" in given


def _resume(call: Call) -> int:
    """The item after which a stream continues. The header wins, because browsers send it automatically."""
    header = call.header(b"last-event-id")
    if header is None or not header.strip():
        return call.query.after or 0
    try:
        return last_event_id(header.strip())
    except ValueError as wrong:
        raise ProblemError("invalid_header", f"Last-Event-ID: {wrong}", status=400) from None
