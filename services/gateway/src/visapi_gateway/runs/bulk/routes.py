"""Acting on many runs: counted first, then done in steps."""

from typing import Annotated

import msgspec

from visapi_common.contracts.bulk import BulkAction, BulkCount, BulkStep
from visapi_common.contracts.gateway_bodies import Reason
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.cursors import open_cursor, seal_cursor
from visapi_gateway.kernel.api.operation import Answers, Call, Operation, Route
from visapi_gateway.kernel.asgi.exchange import Answer, json_reply
from visapi_gateway.runs.bulk.rules import Ticket, check_version, decode_ticket, encode_ticket, meant
from visapi_gateway.runs.bulk.service import Bulk, Wish
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.run_queries import RunsFilterQuery, filter_of


class BulkWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done to which runs: `filter` as `GET /v1/runs` narrows; `version` for retry and rerun."""

    action: BulkAction
    filter: RunsFilterQuery
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


class BulkOrder(BulkWanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same with the token of its count, or of the step before."""

    token: Annotated[str, msgspec.Meta(max_length=512)]
    # Each run of a step keeps it.
    reason: Reason | None = None


COUNT = Operation(
    "POST",
    "/v1/runs/bulk/count",
    "countBulk",
    "Count the runs that a bulk command would mean",
    {200: Answers("Their number, and the token that lets it be done.", BulkCount)},
    description="Changes nothing. Only runs in a state that the action can change are counted.",
    scope="runs:write",
    body=BulkWanted,
    body_required=True,
)
STEP = Operation(
    "POST",
    "/v1/runs/bulk",
    "stepBulk",
    "Cancel, suspend, resume, retry or rerun many runs, 100 at a time",
    {200: Answers("What became of the next runs, newest first; go on with `next`.", BulkStep)},
    description=(
        "Each step is committed when it is answered; send it again when the answer was lost. The steps "
        "touch no more runs than were counted (unless one is sent again), and none that was created later. "
        "A token works for a day. Each run stands in the audit by itself. Runs started by other runs are not "
        "run anew, unless `parent` names one."
    ),
    scope="runs:write",
    body=BulkOrder,
    body_required=True,
    problems=("invalid_cursor", "outcome_unknown"),
)


class BulkRoutes:
    """The handlers of the operations above."""

    def __init__(self, bulk: Bulk, secret: bytes, metrics: Metrics) -> None:
        self._bulk = bulk
        self._secret = secret
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [Route(COUNT, self.count), Route(STEP, self.step)]

    async def count(self, call: Call) -> Answer:
        wanted: BulkWanted = await read_json(COUNT, call)
        ticket = await self._bulk.count(call.asker, _meant(wanted))
        return json_reply(BulkCount(ticket.count, self._token(call, wanted, ticket)))

    async def step(self, call: Call) -> Answer:
        wanted: BulkOrder = await read_json(STEP, call)
        runs = _meant(wanted)
        ticket = decode_ticket(open_cursor(self._secret, _listing(call, wanted), wanted.token))
        wish = Wish(wanted.action, wanted.version, wanted.reason, call.exchange.traceparent)
        step = await self._bulk.step(call.asker, runs, wish, ticket)
        if wanted.action is BulkAction.RERUN:
            self._metrics.triggers_accepted.inc(step.told)
        following = None if step.next is None else self._token(call, wanted, step.next)
        return json_reply(
            BulkStep(step.told, step.unchanged, step.refused, step.handled, ticket.count, following)
        )

    def _token(self, call: Call, wanted: BulkWanted, ticket: Ticket) -> str:
        return seal_cursor(self._secret, _listing(call, wanted), encode_ticket(ticket))


def _listing(call: Call, wanted: BulkWanted) -> str:
    """What a token is good for: the same action on the same runs by the same tenant."""
    asked = msgspec.json.encode((wanted.action, wanted.filter, wanted.version)).decode()
    return f"{call.principal.tenant} bulk {asked}"


def _meant(wanted: BulkWanted) -> RunFilter:
    check_version(wanted.action, wanted.version)
    return meant(wanted.action, filter_of(wanted.filter))
