"""Telling a run something: the row in its inbox is the promise, the message only a hint (DESIGN 3.1)."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction
from visapi_common.contracts.dead_letters import DeadLetterPage, DeadLetterView, ResolveDeadLetter
from visapi_common.contracts.engine_messages import InboxBody, InboxKind
from visapi_common.core.errors import ProblemError
from visapi_gateway.app.run_views import RunRow, RunViews
from visapi_gateway.core.audit import AuditEntry, entry
from visapi_gateway.core.scopes import Asker

AUDITED = {
    InboxKind.CANCEL: AuditAction.RUN_CANCEL,
    InboxKind.SUSPEND: AuditAction.RUN_SUSPEND,
    InboxKind.RESUME: AuditAction.RUN_RESUME,
    InboxKind.RETRY: AuditAction.RUN_RETRY,
}


class InboxRow(msgspec.Struct, frozen=True):
    """`key` is unique per run: the same command twice is one command."""

    run: UUID
    key: str
    tenant: str
    kind: str
    body: bytes


class Resolution(msgspec.Struct, frozen=True):
    """A decision about a dead letter; `told` goes to the run in the same transaction."""

    id: UUID
    tenant: str
    by: str
    text: str
    told: InboxRow | None


class Order(msgspec.Struct, frozen=True):
    """What a run is told, and what the audit keeps of it."""

    row: InboxRow
    audit: AuditEntry


class CommandStore(Protocol):
    async def tell(self, tenant: str, orders: Sequence[Order]) -> set[UUID]:
        """Tell runs in one transaction, each at most one thing; those that were not told so before."""
        ...

    async def cancel_family(self, tenant: str, order: Order) -> bool:
        """Cancel what descends from a run that has ended; whether anything of it is open."""
        ...

    async def dead_letter(self, tenant: str, letter: UUID) -> DeadLetterView | None: ...
    async def dead_letters(
        self, tenant: str, resolved: bool | None, before: UUID | None, limit: int
    ) -> Sequence[DeadLetterView]: ...
    async def resolve(self, resolution: Resolution, audit: AuditEntry) -> bool:
        """Whether it was open."""
        ...


class Hint(Protocol):
    def __call__(self, run: UUID) -> None:
        """Tell the orchestrator that rows wait, best effort."""
        ...


def order_of(who: Asker, run: UUID, kind: InboxKind, reason: str | None, *, bulk: str | None = None) -> Order:
    """The order to cancel, suspend or resume a run; `bulk` names the many that it is one of."""
    body = msgspec.json.encode(InboxBody(actor=who.actor, reason=reason))
    audit = entry(who, AUDITED[kind], f"run:{run}", reason=reason, bulk=bulk)
    return Order(InboxRow(run, kind.value, who.tenant, kind.value, body), audit)


class Commands:
    """Commands to runs, and decisions about dead letters."""

    def __init__(self, store: CommandStore, runs: RunViews, hint: Hint) -> None:
        self._store = store
        self._runs = runs
        self._hint = hint

    async def tell(self, who: Asker, run: UUID, kind: InboxKind, reason: str | None) -> RunRow:
        """Give the run a command; answer the run as it is. Raises `ProblemError` 404 and 409.

        A run that has ended can still be cancelled while runs that descend from it are open.
        """
        row = await self._runs.row(who.tenant, run)
        if row.ended:
            order = order_of(who, run, InboxKind.CANCEL, reason)
            if kind is InboxKind.CANCEL and (
                await self._store.cancel_family(who.tenant, order) or row.status == "cancelled"
            ):
                return row
            detail = f"run {run} is {row.status} since {row.ended_at}; nothing can be done to it any more"
            raise ProblemError("run_ended", detail, status=409)
        await self._store.tell(who.tenant, [order_of(who, run, kind, reason)])
        self._hint(run)
        return row

    async def resolve(self, who: Asker, letter: UUID, decision: ResolveDeadLetter) -> DeadLetterView:
        """Record the decision and tell the run. Raises `ProblemError` 404 and 409."""
        found = await self.dead_letter(who.tenant, letter)
        told = await self._told(who, found, decision)
        resolution = Resolution(letter, who.tenant, who.actor, decision.decision.value, told)
        audit = entry(
            who,
            AuditAction.DEAD_LETTER_RESOLVE,
            f"dead-letter:{letter}",
            reason=decision.reason,
            decision=decision.decision.value,
            run=None if found.run is None else str(found.run),
            path=found.path,
        )
        if found.resolved_at is not None or not await self._store.resolve(resolution, audit):
            detail = f"dead letter {letter} was resolved before; read it to see by whom and how"
            raise ProblemError("dead_letter_resolved", detail, status=409)
        if told is not None:
            self._hint(told.run)
        return await self.dead_letter(who.tenant, letter)

    async def dead_letter(self, tenant: str, letter: UUID) -> DeadLetterView:
        """Raises `ProblemError` 404."""
        found = await self._store.dead_letter(tenant, letter)
        if found is None:
            raise ProblemError("dead_letter_not_found", f"there is no dead letter {letter}", status=404)
        return found

    async def dead_letters(
        self, tenant: str, resolved: bool | None, before: UUID | None, limit: int
    ) -> DeadLetterPage:
        """Newest first; `next` is the plain id to go on from."""
        rows = await self._store.dead_letters(tenant, resolved, before, limit + 1)
        more = str(rows[limit - 1].id) if len(rows) > limit else None
        return DeadLetterPage(items=list(rows[:limit]), next=more)

    async def _told(self, who: Asker, letter: DeadLetterView, decision: ResolveDeadLetter) -> InboxRow | None:
        """What the run hears of it; nothing when it has ended or the letter belongs to no task."""
        if letter.run is None or letter.path is None:
            return None
        try:
            row = await self._runs.row(who.tenant, letter.run)
        except ProblemError:
            return None
        if row.ended:
            return None
        body = InboxBody(
            actor=who.actor,
            reason=decision.reason,
            path=letter.path,
            decision=decision.decision,
            output=decision.output,
        )
        key = f"resolve:{letter.id}"
        return InboxRow(letter.run, key, who.tenant, InboxKind.RESOLVE.value, msgspec.json.encode(body))
