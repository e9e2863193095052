"""Following all runs."""

from typing import Annotated

import msgspec

from visapi_common.contracts.runs import RunChangePage, RunChangeType
from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.api.lists import Cursor, Cursors
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Response, encode
from visapi_gateway.kernel.asgi.streams import EventStream
from visapi_gateway.runs.changes.follower import Listing
from visapi_gateway.runs.changes.rules.changes import Wanted
from visapi_gateway.runs.changes.rules.positions import Position
from visapi_gateway.runs.changes.service import FollowRuns

EVENTS = "text/event-stream"
_ID_MAX = 512


class ChangesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    workflow: (
        Annotated[
            str,
            msgspec.Meta(
                pattern="^[^/]+(/[^/]+)?$",
                max_length=200,
                description="Only runs of the workflow `namespace/name`, or of a whole namespace.",
            ),
        ]
        | None
    ) = None
    type: (
        Annotated[
            list[RunChangeType],
            msgspec.Meta(max_length=6, description="Only changes of this type; may be repeated."),
        ]
        | None
    ) = None
    test: Annotated[bool, msgspec.Meta(description="Only test runs, or only others.")] | None = None
    cursor: Cursor | None = None


FOLLOW = Operation(
    "GET",
    "/v1/runs/changes",
    "followRuns",
    "Follow all runs",
    {
        200: ResponseSpec(
            "A page of changes, or a stream of them without end.", RunChangePage, ("application/json", EVENTS)
        )
    },
    description=(
        "Each change of the state of a run, in the order of commits: each one once, and none is left out. As "
        "`text/event-stream` each change is one message, whose `id` continues the stream in `Last-Event-ID` "
        "or `?cursor=`; a new stream begins with `event: begin`. `event: reset` says that changes were "
        "missed, because the position is older than 15 minutes or cannot be read, or because the database "
        "was restored: list the runs, then go on reading. A page without `cursor` has no items, and `next` "
        "continues from now; `reset` says the same as the event. A position is valid with the same filters "
        "only."
    ),
    scope="runs:read",
    query=ChangesQuery,
    headers={"Last-Event-ID": "The `id` of the last message; for streams."},
    produces=("application/json", EVENTS),
    limited_keys="narrowed",
)


class ChangeRoutes:
    """The handlers of the operations above."""

    def __init__(self, follow: FollowRuns, cursors: Cursors, metrics: Metrics) -> None:
        self._follow = follow
        self._cursors = cursors
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [Route(FOLLOW, self.changes)]

    async def changes(self, call: Call) -> AsgiResponse:
        if call.media_type == EVENTS:
            return self._stream(call)
        listing = self._listing(call)
        position = self._cursors.position(call)
        after = None if position is None else Position.read(position)
        found, end, reset = await self._follow.page(listing, after)
        items = b",".join(change.data for change in found)
        said = (items, encode(listing.sealed(end)), encode(reset))
        return Response(200, b'{"items":[%b],"next":%b,"reset":%b}' % said)

    def _stream(self, call: Call) -> AsgiResponse:
        header = (call.header(b"last-event-id") or "").strip()
        after, lost = self._resume(call, header)
        # Before anything else, so that many new followers do not use up request slots.
        call.context.slot.follow()
        self._follow.check_room(call.principal.tenant)
        events = self._follow.stream(self._listing(call), after, lost=lost)
        return EventStream(events, self._metrics.sse_followers, call.while_valid)

    def _resume(self, call: Call, header: str) -> tuple[Position | None, bool]:
        """The position of the client, and whether the position cannot be read. The header takes precedence,
        because browsers send it by themselves. A wrong header is no error, because a browser would not
        connect again.
        """
        if not header:
            position = self._cursors.position(call)
            return (None if position is None else Position.read(position)), False
        try:
            text = self._cursors.open(self._cursors.listing(call), header[:_ID_MAX])
        except ProblemError:
            return None, True
        return Position.read(text), False

    def _listing(self, call: Call) -> Listing:
        query: ChangesQuery = call.query
        namespace, _, name = (query.workflow or "").partition("/")
        principal = call.principal
        wanted = Wanted(
            tenant=principal.tenant,
            namespace=namespace or None,
            name=name or None,
            types=frozenset(query.type or ()),
            test=query.test,
            limits=principal.limits,
        )
        name = self._cursors.listing(call)
        return Listing(name, wanted, lambda position: self._cursors.seal(name, position))
