"""Dead letters: reading, resolving, and replaying them once their reason is fixed."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.dead_letters import (
    REPLAYABLE,
    DeadLetterPage,
    DeadLetterView,
    LetterKind,
    ReplayDeadLetter,
    ResolveDeadLetter,
)
from visapi_common.contracts.engine_messages import InboxBody, InboxKind
from visapi_common.core.errors import ProblemError
from visapi_gateway.audit.rules import entry
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage
from visapi_gateway.kernel.access.scopes import Principal, Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.runs.commands.service import Hint, InboxRow
from visapi_gateway.runs.reading.service import RunViews

REPLAY = "replay"
"""The resolution of a replay, which the orchestrator carries out."""


class LetterScope(msgspec.Struct, frozen=True):
    """The dead letters that a key may read: those of its tenant, and with `unknown_tenants` also those of
    tenants that do not exist.
    """

    tenant: str
    unknown_tenants: bool


class DeadLetterFilter(msgspec.Struct, frozen=True):
    """Which dead letters are meant; None means any."""

    resolved: bool | None = None
    kind: LetterKind | None = None
    reason: str | None = None
    function: str | None = None
    workflow: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Resolution(msgspec.Struct, frozen=True):
    """A decision about a dead letter. `inbox_row` is put into the run's inbox in the same transaction."""

    id: UUID
    by: str
    text: str
    audit: AuditEntry
    inbox_row: InboxRow | None = None


class DeadLetterStore(Protocol):
    async def one(self, scope: LetterScope, letter: UUID) -> DeadLetterView | None: ...
    async def page(
        self, scope: LetterScope, wanted: DeadLetterFilter, before: UUID | None, limit: int
    ) -> Sequence[DeadLetterView]: ...
    async def message(self, scope: LetterScope, letter: UUID) -> SetAsideMessage | None:
        """The message of a dead letter of kind `message`."""
        ...

    async def resolve(self, scope: LetterScope, resolution: Resolution, claim: Claim | None) -> bool:
        """Commit the decision, the run's inbox row, the audit entry and the request's key in one transaction.
        Returns whether the dead letter was open.
        """
        ...

    async def note_read(self, audit: AuditEntry) -> None:
        """Commit the audit entry of a key that read dead letters of other tenants."""
        ...


def letter_scope_of(who: Principal) -> LetterScope:
    """Keys of kind `admin` also see dead letters of unknown tenants."""
    return LetterScope(who.tenant, who.kind == "admin")


FlawOfMessage = Callable[[str, SetAsideMessage], Awaitable[str]]
"""The reason why a message is no valid event, computed on behalf of a tenant; empty for a valid event."""


class DeadLetters:
    """The use cases of `/v1/dead-letters`. `replay_asked` sends a hint to the orchestrator."""

    def __init__(
        self,
        store: DeadLetterStore,
        runs: RunViews,
        hint: Hint,
        replay_asked: Callable[[], None],
        flaw_of: FlawOfMessage,
    ) -> None:
        self._flaw_of = flaw_of
        self._store = store
        self._runs = runs
        self._hint = hint
        self._replay_asked = replay_asked

    async def one(self, who: Principal, letter: UUID) -> DeadLetterView:
        """Raises `ProblemError` 404."""
        found = await self._store.one(letter_scope_of(who), letter)
        if found is None:
            raise ProblemError("dead_letter_not_found", f"there is no dead letter {letter}", status=404)
        return found

    async def read(self, who: Requester, letter: UUID) -> DeadLetterView:
        """Raises `ProblemError` 404."""
        found = await self.one(who, letter)
        await self._note_foreign(who, [found])
        return found

    async def page(
        self, who: Requester, wanted: DeadLetterFilter, before: UUID | None, limit: int
    ) -> DeadLetterPage:
        """Newest first. `next` is the id to continue from."""
        rows = await self._store.page(letter_scope_of(who), wanted, before, limit + 1)
        letters, more = one_page(rows, limit, lambda row: str(row.id))
        await self._note_foreign(who, letters)
        return DeadLetterPage(letters, more)

    async def _note_foreign(self, who: Requester, seen: Sequence[DeadLetterView]) -> None:
        """Commit the audit entry before dead letters of other tenants are shown."""
        foreign = [letter for letter in seen if letter.tenant != who.tenant]
        if foreign:
            target = f"dead-letter:{foreign[0].id}" if len(seen) == 1 else "dead-letters"
            tenants = sorted({letter.tenant for letter in foreign})
            audit = entry(
                who,
                AuditAction.DEAD_LETTER_READ,
                target,
                letters=[str(letter.id) for letter in foreign],
                tenants=tenants,
            )
            await self._store.note_read(audit)

    async def resolve(
        self, who: Requester, letter: UUID, decision: ResolveDeadLetter, claim: Claim | None = None
    ) -> DeadLetterView:
        """Record the decision and write it into the run's inbox. Raises `ProblemError` 404 and 409."""
        found = await self.one(who, letter)
        inbox_row = await self._inbox_row(who, found, decision)
        audit = entry(
            who,
            AuditAction.DEAD_LETTER_RESOLVE,
            f"dead-letter:{letter}",
            reason=decision.reason,
            decision=decision.decision.value,
            run=None if found.run is None else str(found.run),
            path=found.path,
        )
        resolution = Resolution(letter, who.actor, decision.decision.value, audit, inbox_row)
        if found.resolved_at is not None or not await self._store.resolve(
            letter_scope_of(who), resolution, claim
        ):
            raise resolved_before(letter)
        if inbox_row is not None:
            self._hint(inbox_row.run)
        return await self.one(who, letter)

    async def replay(
        self, who: Requester, letter: UUID, asked: ReplayDeadLetter, claim: Claim | None
    ) -> DeadLetterView:
        """Request a replay. Raises `ProblemError` 404 and 409."""
        found = await self.one(who, letter)
        await self._refuse_in_vain(who, found)
        audit = entry(
            who,
            AuditAction.DEAD_LETTER_REPLAY,
            f"dead-letter:{letter}",
            reason=asked.reason,
            kind=found.kind,
            run=None if found.run is None else str(found.run),
        )
        wanted = Resolution(letter, who.actor, REPLAY, audit)
        if not await self._store.resolve(letter_scope_of(who), wanted, claim):
            raise resolved_before(letter)
        self._replay_asked()
        return await self.one(who, letter)

    async def _refuse_in_vain(self, who: Requester, letter: DeadLetterView) -> None:
        """Raises `ProblemError` 409 for a dead letter that the gateway knows cannot be replayed."""
        if letter.kind not in REPLAYABLE:
            raise _not_replayable(letter)
        if letter.kind != "message" or letter.resolved_at is not None:
            return
        message = await self._store.message(letter_scope_of(who), letter.id)
        if message is None:
            return
        if not message.is_event:
            raise _in_vain(letter, _NOT_AN_EVENT)
        flaw = await self._flaw_of(who.tenant, message)
        if flaw:
            raise _in_vain(letter, _NO_EVENT.format(flaw=flaw))
        if not message.tenant_exists:
            raise _in_vain(letter, _NO_TENANT.format(tenant=letter.tenant))

    async def _inbox_row(
        self, who: Requester, letter: DeadLetterView, decision: ResolveDeadLetter
    ) -> InboxRow | None:
        """The run's inbox row; None when the run has ended or the dead letter belongs to no task."""
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


_NOT_AN_EVENT = (
    "the message was sent between services and cannot be read, so it cannot be replayed; have its sender "
    "send a readable message, then resolve this dead letter"
)
_NO_EVENT = "the message holds no valid event: {flaw}; publish a correct event, then resolve this dead letter"
_NO_TENANT = (
    "there is no tenant {tenant!r}; create the tenant, then replay the dead letter with one of its keys"
)


def _in_vain(letter: DeadLetterView, why: str) -> ProblemError:
    return ProblemError("dead_letter_not_replayable", f"dead letter {letter.id}: {why}", status=409)


def resolved_before(letter: UUID) -> ProblemError:
    """A dead letter that is no longer open."""
    detail = f"dead letter {letter} was resolved before; read it to see by whom and how"
    return ProblemError("dead_letter_resolved", detail, status=409)


def _not_replayable(letter: DeadLetterView) -> ProblemError:
    if letter.kind == "task":
        detail = (
            f"dead letter {letter.id} is about a task with an unknown outcome; resolve it with "
            f"POST /v1/dead-letters/{letter.id}/resolve"
        )
    else:
        detail = f"dead letter {letter.id} is of kind {letter.kind!r}, which cannot be replayed"
    return ProblemError("dead_letter_not_replayable", detail, status=409)
