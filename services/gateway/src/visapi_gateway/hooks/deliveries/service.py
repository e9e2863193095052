"""Deliveries of hooks: read with what is secret or personal masked, and replayed as events of their own."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.hooks import (
    HookDeliveryDetails,
    HookDeliveryPage,
    HookDeliveryView,
    Refusals,
    ReplayHookDelivery,
)
from visapi_common.core.errors import ProblemError
from visapi_common.core.redact import redact
from visapi_gateway.audit.rules import entry
from visapi_gateway.hooks.rules.events import replayed
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.runs.commands.service import CommandOutcome, IdempotencyKey, key_conflict

REFUSED_SHOWN = 20
Event = dict[str, Any]


class KeptDelivery(msgspec.Struct, frozen=True):
    """A delivery and its event; None once the event is no longer kept."""

    view: HookDeliveryView
    event: Event | None


class Replay(msgspec.Struct, frozen=True):
    """A replay to commit."""

    hook: UUID
    delivery: UUID
    event: Event
    audit: AuditEntry


class DeliveryStore(Protocol):
    async def has_hook(self, tenant: str, hook: UUID) -> bool: ...
    async def page(
        self, tenant: str, hook: UUID, before: UUID | None, delivery: str | None, limit: int
    ) -> Sequence[HookDeliveryView]: ...
    async def one(self, tenant: str, hook: UUID, delivery: UUID) -> KeptDelivery | None: ...
    async def key_outcome(self, tenant: str, key: IdempotencyKey) -> CommandOutcome | None: ...
    async def replay(self, tenant: str, replay: Replay, key: IdempotencyKey | None) -> CommandOutcome | None:
        """Commit the event of a replay, its audit entry and the key in one transaction. None where the
        delivery is gone.
        """
        ...

    async def refusals(self, tenant: str, hook: UUID, limit: int) -> Refusals: ...


class Deliveries:
    """The use cases. `hint` tells the orchestrator that events wait."""

    def __init__(self, store: DeliveryStore, hint: Callable[[], None]) -> None:
        self._store = store
        self._hint = hint

    async def page(
        self, tenant: str, hook: UUID, before: UUID | None, delivery: str | None, limit: int
    ) -> HookDeliveryPage:
        """Newest first. `next` is the id to continue from. Raises `ProblemError` 404."""
        await self._need_hook(tenant, hook)
        rows = await self._store.page(tenant, hook, before, delivery, limit + 1)
        more = str(rows[limit - 1].id) if len(rows) > limit else None
        return HookDeliveryPage(items=list(rows[:limit]), next=more)

    async def one(self, tenant: str, hook: UUID, delivery: UUID) -> HookDeliveryDetails:
        """With the event, masked. Raises `ProblemError` 404."""
        found = await self._kept(tenant, hook, delivery)
        content = None if found.event is None else redact(found.event)
        return HookDeliveryDetails(**msgspec.structs.asdict(found.view), content=content)

    async def replay(
        self, who: Requester, hook: UUID, delivery: UUID, asked: ReplayHookDelivery, key: str | None
    ) -> tuple[HookDeliveryView, bool]:
        """Replay the event. Returns the delivery, and whether the request is new: the same `key` with the
        same request replays once. Raises `ProblemError` 404, 409 and 410.
        """
        found = await self._kept(who.tenant, hook, delivery)
        idempotency = None if key is None else IdempotencyKey(key, _hash(delivery, asked))
        if idempotency is not None:
            used = await self._store.key_outcome(who.tenant, idempotency)
            if used is not None:
                return _again(used, found.view), False
        if found.event is None:
            raise _not_kept(delivery)
        audit = entry(
            who,
            AuditAction.HOOK_REPLAY,
            f"hook:{hook}",
            reason=asked.reason,
            delivery=str(delivery),
            provider_id=found.view.delivery,
        )
        outcome = await self._store.replay(
            who.tenant, Replay(hook, delivery, found.event, audit), idempotency
        )
        if outcome is None:
            raise no_such_delivery(delivery)
        shown = (await self._kept(who.tenant, hook, delivery)).view
        if outcome is not CommandOutcome.COMMITTED:
            return _again(outcome, shown), False
        self._hint()
        return shown, True

    async def refusals(self, tenant: str, hook: UUID) -> Refusals:
        """Raises `ProblemError` 404."""
        await self._need_hook(tenant, hook)
        return await self._store.refusals(tenant, hook, REFUSED_SHOWN)

    async def _kept(self, tenant: str, hook: UUID, delivery: UUID) -> KeptDelivery:
        await self._need_hook(tenant, hook)
        found = await self._store.one(tenant, hook, delivery)
        if found is None:
            raise no_such_delivery(delivery)
        return found

    async def _need_hook(self, tenant: str, hook: UUID) -> None:
        if not await self._store.has_hook(tenant, hook):
            detail = f"there is no hook {hook}; list hooks with GET /v1/hooks"
            raise ProblemError("hook_not_found", detail, status=404)


def replay_event(replay: Replay, number: int) -> tuple[str, bytes]:
    """The id and the bytes of a replay's event."""
    return replayed(replay.event, number)


def no_such_delivery(delivery: UUID) -> ProblemError:
    return ProblemError("hook_delivery_not_found", f"the hook has no delivery {delivery}", status=404)


def _not_kept(delivery: UUID) -> ProblemError:
    detail = (
        f"the event of delivery {delivery} is no longer kept, because the tenant's hooks hold too many bytes;"
        " ask the provider to send it again"
    )
    return ProblemError("hook_delivery_not_kept", detail, status=410)


def _again(outcome: CommandOutcome, view: HookDeliveryView) -> HookDeliveryView:
    if outcome is CommandOutcome.CONFLICT:
        raise key_conflict()
    return view


def _hash(delivery: UUID, asked: ReplayHookDelivery) -> bytes:
    return hashlib.sha256(f"hook replay {delivery}\n".encode() + msgspec.json.encode(asked)).digest()
