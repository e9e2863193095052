"""Replaces the event of a dead letter before its replay, where no receiver and no run has got the event."""

from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.dead_letters import DeadLetterView, EditDeadLetter
from visapi_common.core.errors import ProblemError
from visapi_gateway.audit.rules import entry
from visapi_gateway.dead_letters.rules.edits import CheckedEvent, WantedEvent, names_kept, why_not_edited
from visapi_gateway.dead_letters.service import DeadLetters, LetterScope, letter_scope_of, resolved_before
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.problems import invalid_field


class Edit(msgspec.Struct, frozen=True):
    """The new body of a dead letter; the letter's own has the hash `before`."""

    id: UUID
    by: str
    body: bytes
    before: str
    audit: AuditEntry


class Hashes(msgspec.Struct, frozen=True):
    """The SHA-256 of a letter's body and of another body, in hexadecimal digits. `published`: the letter is
    about an event that is also published, so the event may have left.
    """

    before: str
    after: str
    published: bool = False


class EditStore(Protocol):
    async def hashes(self, scope: LetterScope, letter: UUID, body: bytes) -> Hashes: ...

    async def edit(self, scope: LetterScope, edit: Edit, claim: Claim | None) -> bool:
        """Commit the body, the audit entry and the request's key. False where the letter is no longer open,
        has another body now, or is about an event that is also published.
        """
        ...


CheckEdit = Callable[[str, WantedEvent], Awaitable[CheckedEvent]]
"""Checks an event on behalf of a tenant."""


class Edits:
    """The use case."""

    def __init__(self, store: EditStore, letters: DeadLetters, check: CheckEdit) -> None:
        self._store = store
        self._letters = letters
        self._check = check

    async def edit(
        self, who: Requester, letter: UUID, wanted: EditDeadLetter, claim: Claim | None
    ) -> DeadLetterView:
        """Raises `ProblemError` 404, 409 where the letter cannot be edited, and 400 for a body that is not a
        valid event.
        """
        found = await self._letters.one(who, letter)
        if "edit" not in found.links:
            raise _refusal(found)
        names = names_kept(found.kind, found.item)
        checked = await self._check(who.tenant, WantedEvent(bytes(wanted.event), names))
        if checked.flaw:
            raise invalid_field("/event", checked.flaw)
        scope = letter_scope_of(who)
        hashes = await self._store.hashes(scope, letter, checked.body)
        if hashes.published:
            raise _refusal(found)
        audit = entry(
            who,
            AuditAction.DEAD_LETTER_EDIT,
            f"dead-letter:{letter}",
            reason=wanted.reason,
            kind=found.kind,
            before=hashes.before,
            after=hashes.after,
        )
        edit = Edit(letter, who.actor, checked.body, hashes.before, audit)
        if not await self._store.edit(scope, edit, claim):
            raise resolved_before(letter)
        return await self._letters.one(who, letter)


def _refusal(letter: DeadLetterView) -> ProblemError:
    """Why a letter that offers no edit is not edited."""
    if letter.resolved_at is not None:
        return resolved_before(letter.id)
    why = why_not_edited(letter.kind, letter.reason, letter.item, published=True)
    return ProblemError("dead_letter_not_editable", f"dead letter {letter.id}: {why}", status=409)
