"""Deliveries of hooks: read with what is secret or personal masked, and replayed as events of their own."""

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
from visapi_common.core.ids import Ids
from visapi_common.core.redact import MASK
from visapi_gateway.audit.rules import entry
from visapi_gateway.hooks.rules.events import Replayed, replayed
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page

REFUSED_SHOWN = 20


class KeptDelivery(msgspec.Struct, frozen=True):
    """A delivery and the bytes of its event; None once the event is no longer kept."""

    view: HookDeliveryView
    event: bytes | None


class Replay(msgspec.Struct, frozen=True):
    """A replay to commit."""

    hook: UUID
    delivery: UUID
    event: Replayed
    audit: AuditEntry


class DeliveryStore(Protocol):
    async def has_hook(self, tenant: str, hook: UUID) -> bool: ...
    async def page(
        self, tenant: str, hook: UUID, before: UUID | None, limit: int
    ) -> Sequence[HookDeliveryView]: ...
    async def named(self, tenant: str, hook: UUID, delivery: str) -> Sequence[HookDeliveryView]:
        """The delivery with this id of the provider, if there is one."""
        ...

    async def view(self, tenant: str, hook: UUID, delivery: UUID) -> HookDeliveryView | None:
        """The delivery; its event is not read."""
        ...

    async def one(self, tenant: str, hook: UUID, delivery: UUID) -> KeptDelivery | None: ...
    async def replay(self, tenant: str, replay: Replay, claim: Claim | None) -> bool:
        """Commit the event of a replay and its audit entry in one transaction. False where the delivery is
        gone. Raises `TransientFault` where the event was not committed.
        """
        ...

    async def refusals(self, tenant: str, hook: UUID, limit: int) -> Refusals: ...


class Masks(Protocol):
    async def masked(self, tenant: str, raw: bytes) -> Any:
        """Stored JSON without what is secret or personal."""
        ...


class Deliveries:
    """The use cases. `hint` tells the orchestrator that events wait."""

    def __init__(self, store: DeliveryStore, masks: Masks, hint: Callable[[], None], ids: Ids) -> None:
        self._store = store
        self._masks = masks
        self._ids = ids
        self._hint = hint

    async def page(
        self, tenant: str, hook: UUID, before: UUID | None, delivery: str | None, limit: int
    ) -> HookDeliveryPage:
        """Newest first. `next` is the id to continue from. Raises `ProblemError` 404."""
        await self._need_hook(tenant, hook)
        if delivery is not None:
            return HookDeliveryPage(items=list(await self._store.named(tenant, hook, delivery)), next=None)
        rows = await self._store.page(tenant, hook, before, limit + 1)
        return HookDeliveryPage(*one_page(rows, limit, lambda row: str(row.id)))

    async def one(self, tenant: str, hook: UUID, delivery: UUID) -> HookDeliveryDetails:
        """With the event, masked. Raises `ProblemError` 404."""
        found = await self._kept(tenant, hook, delivery)
        content: dict[str, Any] | None = None
        if found.event is not None:
            shown = await self._masks.masked(tenant, found.event)
            content = {MASK: shown} if isinstance(shown, str) else shown
        return HookDeliveryDetails(**msgspec.structs.asdict(found.view), content=content)

    async def view(self, tenant: str, hook: UUID, delivery: UUID) -> HookDeliveryView:
        """Raises `ProblemError` 404."""
        await self._need_hook(tenant, hook)
        found = await self._store.view(tenant, hook, delivery)
        if found is None:
            raise no_such_delivery(delivery)
        return found

    async def replay(
        self,
        who: Requester,
        hook: UUID,
        delivery: UUID,
        asked: ReplayHookDelivery,
        claim: Claim | None,
    ) -> HookDeliveryView:
        """Replay the event. Raises `ProblemError` 404 and 410."""
        found = await self._kept(who.tenant, hook, delivery)
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
        replay = Replay(hook, delivery, replayed(found.event, self._ids.uuid7()), audit)
        if not await self._store.replay(who.tenant, replay, claim):
            raise no_such_delivery(delivery)
        self._hint()
        return await self.view(who.tenant, hook, delivery)

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


def no_such_delivery(delivery: UUID) -> ProblemError:
    return ProblemError("hook_delivery_not_found", f"the hook has no delivery {delivery}", status=404)


def _not_kept(delivery: UUID) -> ProblemError:
    detail = (
        f"the event of delivery {delivery} is no longer kept, because the tenant's hooks hold too many bytes;"
        " ask the provider to send it again"
    )
    return ProblemError("hook_delivery_not_kept", detail, status=410)
