"""Start and rerun runs."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from visapi_common.contracts.gateway_bodies import Rerun
from visapi_common.contracts.runs import RunView
from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.api.checks import check_media_type, read_json
from visapi_gateway.kernel.api.headers import preferred_wait_s
from visapi_gateway.kernel.api.idempotent_calls import REPLAYED
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Header, json_response
from visapi_gateway.runs.reading.follow import FollowRun
from visapi_gateway.runs.reading.service import RunViews
from visapi_gateway.runs.starting.service import Repeated, Start, Started, StartRun


class StartQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[str, msgspec.Meta(max_length=128, description="Pin this version.")] | None = None


_ONCE = "gives the same run"

START = Operation(
    "POST",
    "/v1/workflows/{namespace:str}/{name:str}/runs",
    "startRun",
    "Start a run",
    {
        200: ResponseSpec(
            "The run ended within the preferred wait.", RunView, headers=("Location", "Preference-Applied")
        ),
        202: ResponseSpec("The run is committed.", RunView, headers=("Location",)),
    },
    description="The body is the input (any JSON; no body means `null`). `202` is sent after the commit.",
    scope="runs:write",
    starts_runs=True,
    query=StartQuery,
    once=_ONCE,
    headers={"Prefer": "`wait=N`: wait at most N (60) seconds for the end of the run."},
    body=Any,
    problems=(
        "workflow_not_found",
        "run_not_kept",
        "input_invalid",
        "too_many_open_runs",
        "run_quota_exceeded",
        "outcome_unknown",
    ),
    limited_keys="narrowed",
    test_keys="runs",
)
RERUN = Operation(
    "POST",
    "/v1/runs/{run:uuid}/rerun",
    "rerunRun",
    "Start a new run like this one",
    {202: ResponseSpec("The new run is committed.", RunView, headers=("Location",))},
    description="Uses its input and version unless others are given; the original run is unchanged.",
    scope="runs:write",
    once=_ONCE,
    starts_runs=True,
    body=Rerun,
    problems=(
        "run_not_found",
        "workflow_not_found",
        "run_not_kept",
        "input_invalid",
        "too_many_open_runs",
        "run_quota_exceeded",
        "outcome_unknown",
    ),
    limited_keys="narrowed",
    test_keys="runs",
)


class StartRoutes:
    """The handlers of the operations above."""

    def __init__(self, start: StartRun, views: RunViews, follow: FollowRun, metrics: Metrics) -> None:
        self._start = start
        self._views = views
        self._follow = follow
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [Route(START, self.start), Route(RERUN, self.rerun)]

    async def start(self, call: Call) -> AsgiResponse:
        wait_s = preferred_wait_s(call.header(b"prefer"))
        body = await call.read_body()
        check_media_type(START, call, body)
        wanted = Start(
            namespace=call.path["namespace"],
            name=call.path["name"],
            version=call.query.version,
            body=body,
            key=call.idempotency_key,
            trace=call.context.traceparent,
        )
        started, headers = await self._committed(call, wanted)
        if wait_s:
            return await self._waited(call, started, wait_s, headers)
        view = started.view or await self._view(call, started.id)
        return json_response(view, 202, headers)

    async def rerun(self, call: Call) -> AsgiResponse:
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
            key=call.idempotency_key,
            trace=call.context.traceparent,
            rerun=Repeated(row.id, call.requester, wanted.reason, test=row.test),
        )
        started, headers = await self._committed(call, start)
        return json_response(started.view or await self._view(call, started.id), 202, headers)

    async def _committed(self, call: Call, wanted: Start) -> tuple[Started, list[Header]]:
        try:
            started = await self._start(call.principal, wanted)
        except ProblemError as refused:
            self._metrics.triggers_refused.labels(refused.code).inc()
            raise
        if call.flight is not None:
            # From here on the same request is answered by the run, also while this one waits for its end.
            call.flight.end()
        headers: list[Header] = [(b"location", b"/v1/runs/%b" % str(started.id).encode())]
        if started.replayed:
            self._metrics.triggers_replayed.inc()
            await self._still_kept(call, started.id)
            headers.append(REPLAYED)
        else:
            self._metrics.triggers_accepted.inc()
        return started, headers

    async def _still_kept(self, call: Call, run: UUID) -> None:
        """A key may outlive its run, where ended runs are kept for less than 7 days."""
        try:
            await self._views.row(call.principal.tenant, run)
        except ProblemError as gone:
            detail = (
                f"the Idempotency-Key was used for run {run}, which has ended and was deleted; nothing "
                "was started; use a new key for a new run"
            )
            raise ProblemError("run_not_kept", detail, status=410) from gone

    async def _waited(
        self, call: Call, started: Started, wait_s: float, headers: list[Header]
    ) -> AsgiResponse:
        tenant = call.principal.tenant
        if call.context.slot.may_wait():
            await self._follow.wait_for_end(tenant, started.id, wait_s, fresh=not started.replayed)
            headers.append((b"preference-applied", b"wait=%d" % int(wait_s)))
        row = await self._views.row(tenant, started.id)
        return json_response(await self._views.view(tenant, row), 200 if row.ended else 202, headers)

    async def _view(self, call: Call, run: UUID) -> RunView:
        tenant = call.principal.tenant
        return await self._views.view(tenant, await self._views.row(tenant, run))
