"""Telling a run something: the row in its inbox is the promise, the message only a hint (DESIGN 3.1)."""

import hashlib
from collections.abc import Sequence
from enum import Enum
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction
from visapi_common.contracts.engine_messages import InboxBody, InboxKind
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_gateway.audit.rules import AuditEntry, entry
from visapi_gateway.kernel.access.scopes import Asker
from visapi_gateway.runs.reading.service import RunRow, RunViews

AUDITED = {
    InboxKind.CANCEL: AuditAction.RUN_CANCEL,
    InboxKind.SUSPEND: AuditAction.RUN_SUSPEND,
    InboxKind.RESUME: AuditAction.RUN_RESUME,
    InboxKind.RETRY: AuditAction.RUN_RETRY,
}


UNREAD_MAX = 1000
"""Commands that one run may not have read yet."""


class InboxRow(msgspec.Struct, frozen=True):
    """`key` is unique per run: the same command twice is one command."""

    run: UUID
    key: str
    tenant: str
    kind: str
    body: bytes


class Order(msgspec.Struct, frozen=True):
    """What a run is told, and what the audit keeps of it."""

    row: InboxRow
    audit: AuditEntry


class Once(msgspec.Struct, frozen=True):
    """An `Idempotency-Key` and the hash of the request that it stands for."""

    key: str
    asked: bytes


class Fate(Enum):
    """What became of an order."""

    COMMITTED = "committed"
    REPLAYED = "replayed"
    """The same request was committed before, under the same `Idempotency-Key`."""
    CONFLICT = "conflict"
    """The `Idempotency-Key` was used for another request."""
    WAITS = "waits"
    """The very same order waits to be read; only this asking was recorded."""
    OTHER_WAITS = "other waits"
    """Another order under the same inbox key waits to be read."""
    FULL = "full"


class CommandStore(Protocol):
    async def tell(self, tenant: str, orders: Sequence[Order]) -> set[UUID]:
        """Commit the orders in one transaction; the runs that were not told so before."""
        ...

    async def order(self, order: Order, once: Once | None) -> Fate:
        """Commit the order, what the audit keeps of it, and the key, in one transaction."""
        ...

    async def holder(self, tenant: str, once: Once) -> Fate | None:
        """Whether the key was used: `REPLAYED`, `CONFLICT`, or None."""
        ...

    async def cancel_family(self, tenant: str, order: Order) -> bool:
        """Cancel what descends from a run that has ended; whether anything of it is open."""
        ...


class Hint(Protocol):
    def __call__(self, run: UUID) -> None:
        """Tell the orchestrator that rows wait, best effort."""
        ...


def order_of(
    who: Asker, run: UUID, kind: InboxKind, reason: str | None, *, ident: str, bulk: str | None = None
) -> Order:
    """The order to cancel, suspend or resume a run; `bulk` names the many that it is one of.

    Two orders of one kind are two commands, unless they have one `ident`.
    """
    body = msgspec.json.encode(InboxBody(actor=who.actor, reason=reason))
    audit = entry(who, AUDITED[kind], f"run:{run}", reason=reason, bulk=bulk)
    return Order(InboxRow(run, f"{kind.value}:{ident}", who.tenant, kind.value, body), audit)


class Orders(Protocol):
    async def order(self, order: Order, once: Once | None) -> Fate: ...


async def committed(store: Orders, order: Order, once: Once | None) -> bool:
    """Whether the order is new. Raises `ProblemError` 409 and 429."""
    match await store.order(order, once):
        case Fate.COMMITTED:
            return True
        case Fate.REPLAYED | Fate.WAITS:
            return False
        case Fate.CONFLICT:
            raise key_conflict()
        case Fate.OTHER_WAITS:
            detail = f"run {order.row.run} is being taken up again in another way; read it, then ask anew"
            raise ProblemError("retry_waits", detail, status=409)
        case Fate.FULL:
            detail = f"{UNREAD_MAX} commands wait for run {order.row.run} to read them; send it again later"
            raise ProblemError("too_many_open", detail, status=429, headers={"Retry-After": "5"})


def key_conflict() -> ProblemError:
    detail = "the Idempotency-Key was used for another request; use a new key for a new request"
    return ProblemError("idempotency_conflict", detail, status=409)


def once_of(key: str | None, kind: InboxKind, run: UUID, body: msgspec.Struct) -> Once | None:
    """What a request with this `Idempotency-Key` asked."""
    if key is None:
        return None
    asked = f"{kind.value} {run}\n".encode() + msgspec.json.encode(body)
    return Once(key, hashlib.sha256(asked).digest())


class Commands:
    """Commands to runs."""

    def __init__(self, store: CommandStore, runs: RunViews, ids: Ids, hint: Hint) -> None:
        self._store = store
        self._ids = ids
        self._runs = runs
        self._hint = hint

    async def tell(
        self, who: Asker, run: UUID, kind: InboxKind, reason: str | None, once: Once | None = None
    ) -> tuple[RunRow, bool]:
        """Give the run a command; the run as it is, and whether the command is new.

        A run that has ended can still be cancelled while runs that descend from it are open.
        Raises `ProblemError` 404, 409 and 429.
        """
        row = await self._runs.row(who.tenant, run)
        if once is not None and (used := await self._store.holder(who.tenant, once)) is not None:
            if used is Fate.CONFLICT:
                raise key_conflict()
            return row, False
        if row.ended:
            order = order_of(who, run, InboxKind.CANCEL, reason, ident=str(self._ids.uuid7()))
            if kind is InboxKind.CANCEL and (
                await self._store.cancel_family(who.tenant, order) or row.status == "cancelled"
            ):
                return row, False
            detail = f"run {run} is {row.status} since {row.ended_at}; nothing can be done to it any more"
            raise ProblemError("run_ended", detail, status=409)
        order = order_of(who, run, kind, reason, ident=str(self._ids.uuid7()))
        fresh = await committed(self._store, order, once)
        self._hint(run)
        return row, fresh

    async def tell_all(self, tenant: str, orders: Sequence[Order]) -> int:
        """Give many runs their orders; how many were not told so before."""
        fresh = await self._store.tell(tenant, orders) if orders else set[UUID]()
        for run in fresh:
            self._hint(run)
        return len(fresh)
