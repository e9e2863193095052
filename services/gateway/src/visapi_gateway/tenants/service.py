"""Make, list, suspend and resume tenants. Each change is a row of the audit of its own tenant."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.tenants import EraseTenant, MadeTenant, NewTenant, TenantPage, TenantView
from visapi_common.core.clocks import WallClock
from visapi_common.core.keyrings import Keyring
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.keys.service import KeyRow, Mint
from visapi_gateway.tenants.exporting import Exports
from visapi_gateway.tenants.rules import (
    check_id,
    check_other,
    check_repeated,
    first_key,
    is_erased,
    no_such_tenant,
    tenant_taken,
)


class Switched(msgspec.Struct, frozen=True):
    """The result of a suspension or resumption: whether the tenant changed, and the keys of the tenant."""

    changed: bool
    keys: Sequence[str] = ()


class TenantStore(Protocol):
    async def add(
        self, tenant: str, by: str, key: KeyRow, audit: Sequence[AuditEntry], claim: Claim | None
    ) -> bool:
        """Store a tenant with its first key; False where a tenant of the id exists."""
        ...

    async def one(self, tenant: str) -> TenantView | None: ...
    async def page(self, after: str | None, limit: int) -> Sequence[TenantView]: ...
    async def suspend(self, audit: AuditEntry) -> Switched | None:
        """None where the tenant does not exist. The audit entry is committed where the tenant changes."""
        ...

    async def resume(self, audit: AuditEntry) -> Switched | None:
        """As `suspend`."""
        ...

    async def erase(self, audit: AuditEntry) -> bool:
        """Commit that the tenant is to be erased; False where the tenant does not exist. A second call
        changes nothing. Raises `ProblemError` 409 for a tenant that is not suspended.
        """
        ...


class AnnounceKeys(Protocol):
    async def all_of(self, keys: Sequence[str]) -> None:
        """Let every replica know that keys have changed; this one knows when the call returns."""
        ...


class Tenants:
    """See the module's docstring."""

    def __init__(
        self,
        store: TenantStore,
        mint: Mint,
        announce: AnnounceKeys,
        *,
        exports: Exports,
        peppers: Keyring,
        clock: WallClock,
    ) -> None:
        self._store = store
        self._exports = exports
        self._mint = mint
        self._announce = announce
        self._peppers = peppers
        self._clock = clock

    async def make(self, who: Requester, wanted: NewTenant, claim: Claim | None) -> MadeTenant:
        """Raises `ProblemError` 409 for an id that is taken."""
        token = self._mint("live")
        key = first_key(who, wanted, token, self._peppers, self._clock.now())
        made = _about(who, AuditAction.TENANT_CREATE, wanted.id)
        first = _about(who, AuditAction.KEY_CREATE, wanted.id)
        details = {"name": key.name, "kind": key.kind, "scopes": key.scopes}
        first = msgspec.structs.replace(first, target=f"key:{key.id}", details=details)
        if not await self._store.add(wanted.id, who.actor, key, [made, first], claim):
            raise tenant_taken(wanted.id)
        await self._announce.all_of([key.id])
        return await self._made(wanted.id, key.id, token)

    async def made_before(self, tenant: str, key: str) -> MadeTenant:
        """A tenant that an earlier request made, without its key, which is not stored. Raises `ProblemError`
        404.
        """
        return await self._made(tenant, key, None)

    async def one(self, tenant: str) -> TenantView:
        """Raises `ProblemError` 404."""
        check_id(tenant)
        found = await self._store.one(tenant)
        if found is None:
            raise no_such_tenant(tenant)
        return found

    async def page(self, after: str | None, limit: int) -> TenantPage:
        """By id. `next` is the id to continue from."""
        rows = await self._store.page(after, limit + 1)
        return TenantPage(*one_page(rows, limit, lambda row: row.id))

    async def suspend(self, who: Requester, tenant: str, reason: str) -> TenantView:
        """Refuse the keys of a tenant, on this replica at once and on other replicas within a second, and
        start no more runs of the tenant. Raises `ProblemError` 404 and 409.
        """
        check_id(tenant)
        check_other(who, tenant)
        audit = _about(who, AuditAction.TENANT_DISABLE, tenant, reason)
        return await self._switched(tenant, await self._store.suspend(audit))

    async def resume(self, who: Requester, tenant: str, reason: str | None) -> TenantView:
        """Take a suspended tenant up again. Raises `ProblemError` 404."""
        check_id(tenant)
        audit = _about(who, AuditAction.TENANT_ENABLE, tenant, reason)
        return await self._switched(tenant, await self._store.resume(audit))

    async def erase(self, who: Requester, tenant: str, wanted: EraseTenant) -> TenantView:
        """Let everything of a suspended tenant be erased, which cannot be undone. Raises `ProblemError` 400,
        404 and 409.
        """
        check_id(tenant)
        check_other(who, tenant)
        check_repeated(tenant, wanted)
        if not await self._store.erase(_about(who, AuditAction.TENANT_ERASE, tenant, wanted.reason)):
            raise no_such_tenant(tenant)
        return await self.one(tenant)

    async def export(self, who: Requester, tenant: str) -> AsyncIterator[bytes]:
        """Everything that a tenant owns, as lines of JSON. Raises `ProblemError` 404 and 409."""
        if (await self.one(tenant)).erasure is not None:
            raise is_erased(tenant)
        return self._exports.lines(tenant, _about(who, AuditAction.TENANT_EXPORT, tenant))

    async def _switched(self, tenant: str, switched: Switched | None) -> TenantView:
        if switched is None:
            raise no_such_tenant(tenant)
        await self._announce.all_of(switched.keys)
        return await self.one(tenant)

    async def _made(self, tenant: str, key: str, token: str | None) -> MadeTenant:
        view = await self.one(tenant)
        return MadeTenant(**msgspec.structs.asdict(view), key_id=key, key=token)


def _about(who: Requester, action: AuditAction, tenant: str, reason: str | None = None) -> AuditEntry:
    """An entry in the audit of the tenant that an action changes; the actor belongs to another tenant."""
    made = entry(who, action, f"tenant:{tenant}", reason=reason)
    return msgspec.structs.replace(made, tenant=tenant)
