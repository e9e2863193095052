"""Replays of many dead letters: counted first, then carried out by the orchestrator at a rate.

A replay is accepted when its row is committed. The orchestrator asks for its letters one after another and
keeps its place in the row, so a replay continues after the kill of any process.
"""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.dead_letters import (
    REPLAYABLE,
    ReplayFilter,
    ReplayPage,
    ReplayView,
    StartReplay,
)
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.kernel.problems import invalid_field

COUNT_MAX = 100_000
"""The most dead letters of one replay."""
RUNNING_MAX = 5
"""Replays of a tenant that run at once."""


class NewReplay(msgspec.Struct, frozen=True):
    """The row of a replay."""

    id: UUID
    filter: ReplayFilter
    rate_per_s: int
    counted: int
    audit: AuditEntry


class ReplayStore(Protocol):
    async def count(self, tenant: str, wanted: ReplayFilter, upto: UUID, limit: int) -> int:
        """The number of open letters with ids below `upto`, at most `limit`."""
        ...

    async def put(self, new: NewReplay, claim: Claim | None) -> bool:
        """Commit the row, the audit entry and the request's key. False where `RUNNING_MAX` replays run."""
        ...

    async def one(self, tenant: str, replay: UUID) -> ReplayView | None: ...
    async def page(self, tenant: str, before: UUID | None, limit: int) -> Sequence[ReplayView]: ...
    async def abort(self, replay: UUID, audit: AuditEntry, claim: Claim | None) -> bool:
        """Commit that no more letters are asked for. False where the replay does not run."""
        ...


class ManyReplays:
    """The use cases. `replay_asked` sends a hint to the orchestrator."""

    def __init__(self, store: ReplayStore, ids: Ids, replay_asked: Callable[[], None]) -> None:
        self._store = store
        self._ids = ids
        self._replay_asked = replay_asked

    async def count(self, who: Requester, wanted: ReplayFilter) -> int:
        """Raises `ProblemError` 400 for a filter that cannot be meant, or finds too many."""
        return await self._counted(who.tenant, wanted, self._ids.uuid7())

    async def start(self, who: Requester, wanted: StartReplay, claim: Claim | None) -> ReplayView:
        """Raises `ProblemError` 400 as `count` does, and 409 where too many replays run."""
        replay = self._ids.uuid7()
        counted = await self._counted(who.tenant, wanted.filter, replay)
        audit = entry(
            who,
            AuditAction.DEAD_LETTER_REPLAY_MANY,
            f"dead-letter-replay:{replay}",
            reason=wanted.reason,
            filter=msgspec.to_builtins(wanted.filter),
            rate_per_s=wanted.rate_per_s,
            counted=counted,
        )
        new = NewReplay(replay, wanted.filter, wanted.rate_per_s, counted, audit)
        if not await self._store.put(new, claim):
            detail = f"{RUNNING_MAX} replays of many dead letters run; wait for one, or abort it"
            raise ProblemError("quota_exceeded", detail, status=409)
        self._replay_asked()
        return await self.one(who.tenant, replay)

    async def one(self, tenant: str, replay: UUID) -> ReplayView:
        """Raises `ProblemError` 404."""
        found = await self._store.one(tenant, replay)
        if found is None:
            raise ProblemError("replay_not_found", f"there is no replay {replay}", status=404)
        return found

    async def page(self, tenant: str, before: UUID | None, limit: int) -> ReplayPage:
        """Newest first. `next` is the id to continue from."""
        rows = await self._store.page(tenant, before, limit + 1)
        return ReplayPage(*one_page(rows, limit, lambda row: str(row.id)))

    async def abort(
        self, who: Requester, replay: UUID, reason: str | None, claim: Claim | None
    ) -> ReplayView:
        """Ask for no more letters; letters that were asked for before are still put back. Raises
        `ProblemError` 404, 409.
        """
        found = await self.one(who.tenant, replay)
        target = f"dead-letter-replay:{replay}"
        audit = entry(who, AuditAction.DEAD_LETTER_ABORT, target, reason=reason, asked=found.asked)
        if not await self._store.abort(replay, audit, claim):
            raise ProblemError("replay_ended", f"replay {replay} has ended", status=409)
        return await self.one(who.tenant, replay)

    async def _counted(self, tenant: str, wanted: ReplayFilter, upto: UUID) -> int:
        if wanted == ReplayFilter():
            raise invalid_field(
                "/filter", "it is empty and would select every letter; give at least one condition"
            )
        if wanted.kind is not None and wanted.kind not in REPLAYABLE:
            raise invalid_field("/filter/kind", f"{wanted.kind} cannot be replayed")
        found = await self._store.count(tenant, wanted, upto, COUNT_MAX + 1)
        if found > COUNT_MAX:
            raise invalid_field("/filter", f"more than {COUNT_MAX:,} dead letters match; narrow the filter")
        return found
