"""Retry of a faulted run at its failed task: checked here, committed into the run's inbox."""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction
from visapi_common.contracts.engine_messages import InboxBody, InboxKind
from visapi_common.contracts.foreign import version_of
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.gateway_bodies import Retry
from visapi_common.contracts.payloads import Payload
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_engine.machine.plan import Plan
from visapi_engine.machine.resumption import children_of, misfits, takes_input
from visapi_engine.machine.state import ResumePoint, decode_state
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Principal, Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.runs.commands.known_plans import KnownPlans
from visapi_gateway.runs.commands.service import Command, CommandOutcome, Hint, InboxRow, committed
from visapi_gateway.runs.reading.service import RunRow, RunViews
from visapi_gateway.workflows.rules.versions import WorkflowRow

TAKEN_UP_S = 2.0
"""How long a response waits for the run to be live again, so that the next read does not show it as
faulted.
"""
_LOOK_S = 0.03


class RetryStore(Protocol):
    async def resume_point(self, tenant: str, run: UUID) -> tuple[bytes, bytes] | None:
        """The state (without large values) and the program of a faulted run that can be retried."""
        ...

    async def ended_for_good(self, tenant: str, runs: Sequence[UUID]) -> dict[UUID, str]:
        """The runs that neither completed nor can be retried, each with its final status."""
        ...

    async def commit(self, command: Command, claim: Claim | None) -> CommandOutcome: ...


class Versions(Protocol):
    async def row(self, tenant: str, namespace: str, name: str, version: str | None) -> WorkflowRow:
        """Raises `ProblemError` 404."""
        ...


class Pack(Protocol):
    async def __call__(self, tenant: str, raw: bytes) -> Payload: ...


class Retries:
    """See the module's docstring."""

    def __init__(
        self, store: RetryStore, runs: RunViews, versions: Versions, *, pack: Pack, hint: Hint
    ) -> None:
        self._store = store
        self._runs = runs
        self._versions = versions
        self._pack = pack
        self._hint = hint
        self._plan = KnownPlans()

    async def __call__(
        self, who: Requester, run: UUID, wanted: Retry, claim: Claim | None = None
    ) -> tuple[RunRow, bool]:
        """Request a retry. Returns the run, and whether the request is new.

        Raises `ProblemError` 404, 409 and 429.
        """
        row = await self._runs.row(who.tenant, run)
        who.check_may_command(f"run {run}", test=row.test)
        fresh = await committed(self._store, await self.command(who, row, wanted), claim)
        self._hint(run)
        return await self._taken_up(who, row), fresh

    async def command(
        self, who: Requester, row: RunRow, wanted: Retry, *, bulk: str | None = None
    ) -> Command:
        """The command to retry a run; `bulk` names the bulk command it belongs to. Raises `ProblemError`
        409.
        """
        if row.status != "faulted":
            raise _not_faulted(row)
        found = await self._store.resume_point(who.tenant, row.id)
        if found is None:
            raise _not_retryable(row)
        state, program = found
        if version_of(state) > NEWEST.state or version_of(program) > NEWEST.program:
            raise TransientFault(
                f"a later release wrote the run {row.id}; a gateway of that release retries it"
            )
        point = decode_state(state).resume
        assert point is not None, "a resume column without a resume point"
        plan = self._plan(program)
        if children := children_of(point):
            stuck = await self._store.ended_for_good(who.tenant, [UUID(child) for child in children])
            if stuck:
                raise _child_not_retryable(row, stuck)
        body = await self._body(who, row, wanted, plan, point)
        # The number of the last history item identifies this fault, so two requests cause one retry.
        key, kind = f"retry:{row.seq}", InboxKind.RETRY.value
        return Command(
            InboxRow(row.id, key, who.tenant, kind, msgspec.json.encode(body)),
            entry(
                who,
                AuditAction.RUN_RETRY,
                f"run:{row.id}",
                reason=wanted.reason,
                version=body.version,
                input="corrected" if body.input is not None else None,
                bulk=bulk,
            ),
        )

    async def _body(
        self, who: Principal, row: RunRow, wanted: Retry, plan: Plan, point: ResumePoint
    ) -> InboxBody:
        given: Payload | None = None
        if wanted.input is not msgspec.UNSET:
            if not takes_input(plan, point):
                raise _no_input(point)
            given = await self._pack(who.tenant, bytes(wanted.input))
        version, program = None, None
        if wanted.version is not None:
            newer = await self._versions.row(who.tenant, row.namespace, row.name, wanted.version)
            assert newer.body is not None, "one version is read with its program"
            wrong = misfits(plan, self._plan(newer.body), point)
            if wrong:
                raise _not_compatible(row, newer, wrong)
            version, program = newer.version, newer.program.hex()
        return InboxBody(actor=who.actor, reason=wanted.reason, input=given, version=version, program=program)

    async def _taken_up(self, who: Principal, before: RunRow) -> RunRow:
        try:
            async with asyncio.timeout(TAKEN_UP_S):
                while True:
                    now = await self._runs.row(who.tenant, before.id)
                    if now.revision > before.revision:
                        return now
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return await self._runs.row(who.tenant, before.id)


def _not_faulted(row: RunRow) -> ProblemError:
    what = {
        "completed": "it completed; start a new run with /rerun",
        "cancelled": "it was cancelled; start a new run with /rerun",
    }.get(row.status, f"it is {row.status}")
    return ProblemError("run_not_faulted", f"run {row.id} has not faulted: {what}", status=409)


def _not_retryable(row: RunRow) -> ProblemError:
    detail = (
        f"run {row.id} cannot be retried safely: it stopped before its first task, beside an effect that "
        "may have happened, in the expression of a loop, or in the engine; or it listened for the "
        "events of a schedule, as a newly deployed version will. Start a new run with /rerun, which does "
        "everything again"
    )
    return ProblemError("run_not_retryable", detail, status=409)


def _child_not_retryable(row: RunRow, stuck: dict[UUID, str]) -> ProblemError:
    child, status = next(iter(stuck.items()))
    detail = (
        f"run {row.id} waits for run {child}, which is {status} and cannot be retried safely. Start a new "
        "run with /rerun, which does everything again"
    )
    return ProblemError("run_not_retryable", detail, status=409)


def _no_input(point: ResumePoint) -> ProblemError:
    pointer = point.failed.pointer
    detail = f"{pointer or 'the workflow'} continues where it was, so a retry takes no input"
    return ProblemError("run_not_retryable", detail, status=409)


def _not_compatible(row: RunRow, newer: WorkflowRow, wrong: list[str]) -> ProblemError:
    detail = (
        f"run {row.id} cannot continue with version {newer.version}: {'; '.join(wrong[:5])}. The run's open "
        "tasks must be at the same place; only their contents and the tasks after them may differ"
    )
    return ProblemError("version_not_compatible", detail, status=409)
