"""Dead letters: seen, decided about, and put back once their reason is mended."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction
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
from visapi_gateway.audit.rules import AuditEntry, entry
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage
from visapi_gateway.kernel.access.scopes import Asker, Principal
from visapi_gateway.runs.commands.service import Fate, Hint, InboxRow, Once, key_conflict
from visapi_gateway.runs.reading.service import RunViews

REPLAY = "replay"
"""The resolution that the orchestrator carries out."""


class Sight(msgspec.Struct, frozen=True):
    """Whose letters somebody sees: of a tenant, and with `nobodys` those whose tenant does not exist."""

    tenant: str
    nobodys: bool


class LetterFilter(msgspec.Struct, frozen=True):
    resolved: bool | None
    kind: LetterKind | None


class Resolution(msgspec.Struct, frozen=True):
    """A decision about a dead letter; `told` goes to the run in the same transaction."""

    id: UUID
    by: str
    text: str
    audit: AuditEntry
    told: InboxRow | None = None


class LetterStore(Protocol):
    async def one(self, sight: Sight, letter: UUID) -> DeadLetterView | None: ...
    async def page(
        self, sight: Sight, wanted: LetterFilter, before: UUID | None, limit: int
    ) -> Sequence[DeadLetterView]: ...
    async def message(self, sight: Sight, letter: UUID) -> SetAsideMessage | None:
        """What a letter of kind `message` holds."""
        ...

    async def holder(self, tenant: str, once: Once) -> Fate | None:
        """Whether the key was used: `REPLAYED`, `CONFLICT`, or None."""
        ...

    async def resolve(self, sight: Sight, resolution: Resolution, once: Once | None) -> Fate | None:
        """Commit the decision, what the run hears of it, the audit and the key in one transaction; None when
        the letter was not open.
        """
        ...


def sight_of(who: Principal) -> Sight:
    """Keys of kind `admin` see what belongs to nobody."""
    return Sight(who.tenant, who.kind == "admin")


FlawOfMessage = Callable[[str, SetAsideMessage], Awaitable[str]]
"""Why there is no event in the message, asked for by a tenant; empty when there is one."""


class DeadLetters:
    """The use cases of `/v1/dead-letters`. `replay_asked` hints the orchestrator."""

    def __init__(
        self,
        store: LetterStore,
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
        found = await self._store.one(sight_of(who), letter)
        if found is None:
            raise ProblemError("dead_letter_not_found", f"there is no dead letter {letter}", status=404)
        return found

    async def page(
        self, who: Principal, wanted: LetterFilter, before: UUID | None, limit: int
    ) -> DeadLetterPage:
        """Newest first; `next` is the plain id to go on from."""
        rows = await self._store.page(sight_of(who), wanted, before, limit + 1)
        more = str(rows[limit - 1].id) if len(rows) > limit else None
        return DeadLetterPage(items=list(rows[:limit]), next=more)

    async def resolve(self, who: Asker, letter: UUID, decision: ResolveDeadLetter) -> DeadLetterView:
        """Record the decision and tell the run. Raises `ProblemError` 404 and 409."""
        found = await self.one(who, letter)
        told = await self._told(who, found, decision)
        audit = entry(
            who,
            AuditAction.DEAD_LETTER_RESOLVE,
            f"dead-letter:{letter}",
            reason=decision.reason,
            decision=decision.decision.value,
            run=None if found.run is None else str(found.run),
            path=found.path,
        )
        resolution = Resolution(letter, who.actor, decision.decision.value, audit, told)
        if found.resolved_at is not None or not await self._store.resolve(sight_of(who), resolution, None):
            raise _resolved(letter)
        if told is not None:
            self._hint(told.run)
        return await self.one(who, letter)

    async def replay(
        self, who: Asker, letter: UUID, asked: ReplayDeadLetter, key: str | None
    ) -> tuple[DeadLetterView, bool]:
        """Ask for the letter to be put back; the letter, and whether this was asked now. The same `key` with
        the same request asks once. Raises `ProblemError` 404 and 409.
        """
        found = await self.one(who, letter)
        once = None if key is None else Once(key, _hash(letter, asked))
        if once is not None and (used := await self._store.holder(who.tenant, once)) is not None:
            return _again(used, found), False
        await self._refuse_in_vain(who, found)
        audit = entry(
            who,
            AuditAction.DEAD_LETTER_REPLAY,
            f"dead-letter:{letter}",
            reason=asked.reason,
            kind=found.kind,
            run=None if found.run is None else str(found.run),
        )
        fate = await self._store.resolve(sight_of(who), Resolution(letter, who.actor, REPLAY, audit), once)
        if fate is None:
            raise _resolved(letter)
        shown = await self.one(who, letter)
        if fate is not Fate.COMMITTED:
            return _again(fate, shown), False
        self._replay_asked()
        return shown, True

    async def _refuse_in_vain(self, who: Asker, letter: DeadLetterView) -> None:
        """Raises `ProblemError` 409 for a letter of which is known here that it cannot be put back."""
        if letter.kind not in REPLAYABLE:
            raise _not_replayable(letter)
        if letter.kind != "message" or letter.resolved_at is not None:
            return
        message = await self._store.message(sight_of(who), letter.id)
        if message is None:
            return
        if not message.is_event:
            raise _in_vain(letter, _NOT_AN_EVENT)
        flaw = await self._flaw_of(who.tenant, message)
        if flaw:
            raise _in_vain(letter, _NO_EVENT.format(flaw=flaw))
        if not message.tenant_exists:
            raise _in_vain(letter, _NO_TENANT.format(tenant=letter.tenant))

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


_NOT_AN_EVENT = (
    "the message came between services and nobody can read it, so there is no place to put it back to; let "
    "its sender send it again in a form that can be read, then resolve this letter"
)
_NO_EVENT = (
    "the message holds no event that could be stored, and its bytes stay as they are: {flaw}; publish a "
    "correct event, then resolve this letter"
)
_NO_TENANT = "there is no tenant {tenant!r}; make the tenant, then replay the letter with one of its keys"


def _in_vain(letter: DeadLetterView, why: str) -> ProblemError:
    return ProblemError("dead_letter_not_replayable", f"dead letter {letter.id}: {why}", status=409)


def _hash(letter: UUID, asked: ReplayDeadLetter) -> bytes:
    return hashlib.sha256(f"replay {letter}\n".encode() + msgspec.json.encode(asked)).digest()


def _again(fate: Fate, letter: DeadLetterView) -> DeadLetterView:
    if fate is Fate.CONFLICT:
        raise key_conflict()
    return letter


def _resolved(letter: UUID) -> ProblemError:
    detail = f"dead letter {letter} was resolved before; read it to see by whom and how"
    return ProblemError("dead_letter_resolved", detail, status=409)


def _not_replayable(letter: DeadLetterView) -> ProblemError:
    if letter.kind == "task":
        detail = (
            f"dead letter {letter.id} is about a task whose outcome nobody knows; decide about the task with "
            f"POST /v1/dead-letters/{letter.id}/resolve"
        )
    else:
        detail = f"dead letter {letter.id} is of kind {letter.kind!r}, which has no place to be put back to"
    return ProblemError("dead_letter_not_replayable", detail, status=409)
