"""Bulk commands: count the runs first, then act on them in steps."""

from typing import Annotated

import msgspec

from visapi_common.contracts.bulk import BulkAction, BulkCount, BulkStep
from visapi_common.contracts.gateway_bodies import Reason
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response
from visapi_gateway.kernel.idempotency.rules import HoldKey, answer_text, read_answer
from visapi_gateway.runs.bulk.rules import BulkToken, check_version, decode_token, encode_token, meant
from visapi_gateway.runs.bulk.service import Bulk, BulkRequest
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.run_queries import RunsFilterQuery, filter_of


class BulkWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action on the runs of a filter. `filter` has the parameters of `GET /v1/runs`; `version` applies to
    retry and rerun.
    """

    action: BulkAction
    filter: RunsFilterQuery
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


class BulkOrder(BulkWanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same with the token of the count or of the previous step."""

    token: Annotated[str, msgspec.Meta(max_length=512)]
    # Each run of a step keeps it.
    reason: Reason | None = None


COUNT = Operation(
    "POST",
    "/v1/runs/bulk/count",
    "countBulk",
    "Count the runs that a bulk command would act on",
    {200: ResponseSpec("The number of runs, and the token for the first step.", BulkCount)},
    description="Changes nothing. Only runs in a state that the action can change are counted.",
    scope="runs:write",
    body=BulkWanted,
    body_required=True,
    limited_keys="narrowed",
    test_keys="runs",
)
STEP = Operation(
    "POST",
    "/v1/runs/bulk",
    "stepBulk",
    "Cancel, suspend, resume, retry or rerun many runs, 100 at a time",
    {200: ResponseSpec("The result for the next runs, newest first; continue with `next`.", BulkStep)},
    description=(
        "Each step is committed before its response; send a step again when its response was lost. The "
        "steps act on no more runs than were counted (unless a step is sent again), and on no run that was "
        "created later. A token is valid for a day. Each run has its own audit entry. Rerun skips runs "
        "that other runs started, unless `parent` names one."
    ),
    scope="runs:write",
    once="is one step",
    body=BulkOrder,
    body_required=True,
    problems=("invalid_cursor", "outcome_unknown"),
    limited_keys="narrowed",
    test_keys="runs",
)


class BulkRoutes:
    """The handlers of the operations above."""

    def __init__(self, bulk: Bulk, cursors: Cursors, metrics: Metrics, hold_key: HoldKey) -> None:
        self._hold_key = hold_key
        self._bulk = bulk
        self._cursors = cursors
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [Route(COUNT, self.count), Route(STEP, self.step, self.step_before)]

    async def count(self, call: Call) -> AsgiResponse:
        wanted: BulkWanted = await read_json(COUNT, call)
        token = await self._bulk.count(call.requester, _meant(call, wanted))
        return json_response(BulkCount(token.count, self._token(call, wanted, token)))

    async def step(self, call: Call) -> AsgiResponse:
        wanted: BulkOrder = await read_json(STEP, call)
        runs = _meant(call, wanted)
        token = decode_token(self._cursors.open(_listing(call, wanted), wanted.token))
        request = BulkRequest(wanted.action, wanted.version, wanted.reason, call.context.traceparent)
        step = await self._bulk.step(call.requester, runs, request, token)
        if wanted.action is BulkAction.RERUN:
            self._metrics.triggers_accepted.inc(step.accepted)
        following = None if step.next is None else self._token(call, wanted, step.next)
        done = BulkStep(step.accepted, step.unchanged, step.refused, step.handled, token.count, following)
        # A step that is interrupted before this is done again, which gives no command a second time.
        await self._hold_key(call.claim, answer_text(done))
        return json_response(done)

    async def step_before(self, _: Call, answer: str) -> AsgiResponse:
        return json_response(read_answer(answer, BulkStep))

    def _token(self, call: Call, wanted: BulkWanted, token: BulkToken) -> str:
        return self._cursors.seal(_listing(call, wanted), encode_token(token))


def _listing(call: Call, wanted: BulkWanted) -> str:
    """The listing that a token is bound to: the same action on the same runs by the same tenant."""
    asked = msgspec.json.encode((wanted.action, wanted.filter, wanted.version)).decode()
    return f"{call.principal.tenant} bulk {asked}"


def _meant(call: Call, wanted: BulkWanted) -> RunFilter:
    """Which runs are meant; a test key means test runs."""
    check_version(wanted.action, wanted.version)
    runs = meant(wanted.action, filter_of(wanted.filter))
    if not call.principal.is_test:
        return runs
    call.principal.check_may_command("what the filter asks for", test=runs.test is not False)
    return msgspec.structs.replace(runs, test=True)
