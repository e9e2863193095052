"""Starting, repeating, reading and following runs."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from visapi_common.contracts.gateway_bodies import Rerun
from visapi_common.contracts.runs import HistoryPage, RunPage, RunView
from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.api.checks import check_media_type, read_json
from visapi_gateway.kernel.api.headers import idempotency_key, preferred_wait_s
from visapi_gateway.kernel.api.lists import Cursor, Cursors
from visapi_gateway.kernel.api.operation import Answers, Call, Operation, Route
from visapi_gateway.kernel.asgi.exchange import Answer, Empty, Header, Reply, encode, json_reply
from visapi_gateway.kernel.asgi.streams import EventStream
from visapi_gateway.runs.reading.follow import FollowRun
from visapi_gateway.runs.reading.rules.event_stream import last_event_id
from visapi_gateway.runs.reading.run_queries import FINDING, RunsQuery, filter_of
from visapi_gateway.runs.reading.service import RunViews
from visapi_gateway.runs.starting.service import Repeated, Start, Started, StartRun

EVENTS = "text/event-stream"


class StartQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[str, msgspec.Meta(max_length=128, description="Pin this version.")] | None = None


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many items at most.")] = 200
    cursor: Cursor | None = None
    after: (
        Annotated[int, msgspec.Meta(ge=0, le=999_999_999, description="Only items after this number.")] | None
    ) = None


START = Operation(
    "POST",
    "/v1/workflows/{namespace:str}/{name:str}/runs",
    "startRun",
    "Start a run",
    {
        200: Answers("The run ended within the preferred wait.", RunView, headers=("Preference-Applied",)),
        202: Answers("The run is committed.", RunView, headers=("Location", "Idempotent-Replayed")),
    },
    description="The body is the input (any JSON; no body means `null`). `202` is sent after the commit.",
    scope="runs:write",
    query=StartQuery,
    headers={
        "Idempotency-Key": "The same key and request give the same run, for 7 days.",
        "Prefer": "`wait=N`: wait at most N (60) seconds for the end of the run.",
    },
    body=Any,
    problems=(
        "workflow_not_found",
        "idempotency_conflict",
        "run_not_kept",
        "input_invalid",
        "too_many_open_runs",
        "invalid_header",
        "outcome_unknown",
    ),
)
LIST = Operation(
    "GET",
    "/v1/runs",
    "listRuns",
    "List runs, newest first",
    {200: Answers("A page. Inputs and outputs above 64 KiB are null here; read the run.", RunPage)},
    description=FINDING,
    scope="runs:read",
    query=RunsQuery,
)
READ = Operation(
    "GET",
    "/v1/runs/{run:uuid}",
    "readRun",
    "Read a run",
    {
        200: Answers("The run.", RunView, headers=("ETag",)),
        304: Answers("The run is as `If-None-Match` says.", headers=("ETag",)),
    },
    scope="runs:read",
    headers={"If-None-Match": "An ETag read before."},
    problems=("run_not_found",),
)
HISTORY = Operation(
    "GET",
    "/v1/runs/{run:uuid}/history",
    "readHistory",
    "Read or follow the history of a run",
    {
        200: Answers(
            "A page, or a stream of items until the run's end.", HistoryPage, ("application/json", EVENTS)
        )
    },
    description=(
        "As `text/event-stream` each item is one message with `id: <seq>`; the last one is `event: end`. "
        "A stream goes on after `Last-Event-ID` or `?after=`. A page of large items (4 MiB "
        "together) holds fewer than `limit`; `next` goes on."
    ),
    scope="runs:read",
    query=HistoryQuery,
    headers={"Last-Event-ID": "Number of the last item seen; for streams."},
    produces=("application/json", EVENTS),
    problems=("run_not_found", "invalid_header"),
)


RERUN = Operation(
    "POST",
    "/v1/runs/{run:uuid}/rerun",
    "rerunRun",
    "Start a new run like this one",
    {202: Answers("The new run is committed.", RunView, headers=("Location", "Idempotent-Replayed"))},
    description="With its input and version unless others are given; the run itself stays as it is.",
    scope="runs:write",
    headers={"Idempotency-Key": "The same key and request give the same run, for 7 days."},
    body=Rerun,
    problems=(
        "run_not_found",
        "workflow_not_found",
        "idempotency_conflict",
        "run_not_kept",
        "input_invalid",
        "too_many_open_runs",
        "invalid_header",
        "outcome_unknown",
    ),
)


class RunRoutes:
    """The handlers of the operations above."""

    def __init__(
        self,
        *,
        start: StartRun,
        views: RunViews,
        follow: FollowRun,
        cursors: Cursors,
        metrics: Metrics,
    ) -> None:
        self._start = start
        self._views = views
        self._follow = follow
        self._cursors = cursors
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [
            Route(START, self.start),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(HISTORY, self.history),
            Route(RERUN, self.rerun),
        ]

    async def start(self, call: Call) -> Answer:
        wait_s = preferred_wait_s(call.header(b"prefer"))
        body = await call.read_body()
        check_media_type(START, call, body)
        wanted = Start(
            namespace=call.path["namespace"],
            name=call.path["name"],
            version=call.query.version,
            body=body,
            key=idempotency_key(call.header(b"idempotency-key")),
            trace=call.exchange.traceparent,
        )
        started, headers = await self._committed(call, wanted)
        if wait_s:
            return await self._waited(call, started, wait_s, headers)
        view = started.view or await self._view(call, started.id)
        return json_reply(view, 202, headers)

    async def rerun(self, call: Call) -> Answer:
        wanted: Rerun = await read_json(RERUN, call)
        tenant = call.principal.tenant
        row = await self._views.row(tenant, call.path["run"])
        given = wanted.input
        value = (await self._views.view(tenant, row)).input if given is msgspec.UNSET else given
        start = Start(
            namespace=row.namespace,
            name=row.name,
            version=wanted.version or row.version,
            body=bytes(value),
            key=idempotency_key(call.header(b"idempotency-key")),
            trace=call.exchange.traceparent,
            rerun=Repeated(row.id, call.asker, wanted.reason),
        )
        started, headers = await self._committed(call, start)
        return json_reply(started.view or await self._view(call, started.id), 202, headers)

    async def _committed(self, call: Call, wanted: Start) -> tuple[Started, list[Header]]:
        try:
            started = await self._start(call.principal, wanted)
        except ProblemError as refused:
            self._metrics.triggers_refused.labels(refused.code).inc()
            raise
        headers: list[Header] = [(b"location", b"/v1/runs/%b" % str(started.id).encode())]
        if started.replayed:
            self._metrics.triggers_replayed.inc()
            await self._still_kept(call, started.id)
            headers.append((b"idempotent-replayed", b"true"))
        else:
            self._metrics.triggers_accepted.inc()
        return started, headers

    async def _still_kept(self, call: Call, run: UUID) -> None:
        """A key may outlive the run that it started: where runs are kept for less than its 7 days."""
        try:
            await self._views.row(call.principal.tenant, run)
        except ProblemError as gone:
            detail = (
                f"the Idempotency-Key was used for run {run}, which has ended and is no longer kept; nothing "
                "was started; use a new key for a new run"
            )
            raise ProblemError("run_not_kept", detail, status=410) from gone

    async def _waited(self, call: Call, started: Started, wait_s: float, headers: list[Header]) -> Answer:
        tenant = call.principal.tenant
        if call.exchange.holding.may_wait():
            await self._follow.wait_for_end(tenant, started.id, wait_s, fresh=not started.replayed)
            headers.append((b"preference-applied", b"wait=%d" % int(wait_s)))
        row = await self._views.row(tenant, started.id)
        return json_reply(await self._views.view(tenant, row), 200 if row.ended else 202, headers)

    async def list(self, call: Call) -> Answer:
        query: RunsQuery = call.query
        position = self._cursors.position(call)
        before = None if position is None else UUID(position)
        page = await self._views.page(call.principal.tenant, filter_of(query), before, query.limit)
        return json_reply(self._cursors.page(call, page))

    async def read(self, call: Call) -> Answer:
        tenant = call.principal.tenant
        row = await self._views.row(tenant, call.path["run"])
        tag = f'"{row.revision}-{row.status}"'
        headers: list[Header] = [(b"etag", tag.encode()), (b"cache-control", b"private, no-cache")]
        if _same(call.header(b"if-none-match"), tag):
            return Empty(304, headers)
        return json_reply(await self._views.view(tenant, row), 200, headers)

    async def history(self, call: Call) -> Answer:
        tenant, run, query = call.principal.tenant, call.path["run"], call.query
        if call.media_type == EVENTS:
            after = _resume(call)
            # First of all, so that many who begin to follow at once take no places of requests either.
            call.exchange.holding.follow()
            await self._follow.head(tenant, run)
            return EventStream(self._follow.stream(tenant, run, after), self._metrics.sse_followers)
        position = self._cursors.position(call)
        after = int(position) if position is not None else query.after or 0
        items, more = await self._follow.page(tenant, run, after, query.limit)
        following = self._cursors.next(call, None if more is None else str(more))
        body = b'{"items":[%b],"next":%b}' % (b",".join(item for _, item in items), encode(following))
        return Reply(200, body)

    async def _view(self, call: Call, run: UUID) -> RunView:
        tenant = call.principal.tenant
        return await self._views.view(tenant, await self._views.row(tenant, run))


def _same(if_none_match: str | None, tag: str) -> bool:
    if if_none_match is None:
        return False
    given = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in given or "*" in given


def _resume(call: Call) -> int:
    """After which item a stream goes on: the header wins, because browsers send it by themselves."""
    header = call.header(b"last-event-id")
    if header is None or not header.strip():
        return call.query.after or 0
    try:
        return last_event_id(header.strip())
    except ValueError as wrong:
        raise ProblemError("invalid_header", f"Last-Event-ID: {wrong}", status=400) from None
