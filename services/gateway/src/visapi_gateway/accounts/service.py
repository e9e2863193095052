"""Accounts at providers: each change of settings or credentials is a version. Credentials are sealed on
arrival, and the gateway never reads them back.
"""

import re
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.account_kinds import Kind
from visapi_common.contracts.accounts import (
    AccountPage,
    AccountVersionPage,
    AccountVersionView,
    AccountView,
    PutAccount,
    RollBackAccount,
    RotateAccount,
)
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_common.core.sealing import name_of_account_version
from visapi_gateway.accounts.rules import checked_credentials, checked_settings, shown_credentials
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.kernel.sealing import SealingKeys

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_encode = msgspec.json.Encoder().encode


class SealedVersion(msgspec.Struct, frozen=True):
    """The sealed credentials of a new version of an account, and the parts that answers may show."""

    tenant: str
    name: str
    kind: Kind
    id: UUID
    shown: bytes
    sealed: bytes
    sealed_with: str
    by: str


class AccountStore(Protocol):
    async def put(
        self, version: SealedVersion, settings: bytes, audit: AuditEntry, *, default: bool
    ) -> bool | None:
        """Store an account or its next version. Returns whether the account is new; None where the account is
        of another kind.
        """
        ...

    async def rotate(
        self, version: SealedVersion, overlap_s: int, audit: AuditEntry, claim: Claim | None
    ) -> bool:
        """Store a version with the settings of the current one. False where there is no such account."""
        ...

    async def confirm(self, name: str, audit: AuditEntry, claim: Claim | None) -> bool: ...
    async def roll_back(self, name: str, version: int | None, audit: AuditEntry, claim: Claim | None) -> bool:
        """Make a kept version current; without a number, the version before the current one. False where the
        account has no such version.
        """
        ...

    async def one(self, tenant: str, name: str) -> AccountView | None: ...
    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[AccountView]: ...
    async def versions(self, tenant: str, name: str) -> Sequence[AccountVersionView]: ...
    async def remove(self, name: str, audit: AuditEntry) -> bool: ...
    async def note(self, audit: AuditEntry) -> None:
        """Commit an audit entry by itself."""
        ...


class Accounts:
    """The accounts of a tenant."""

    def __init__(self, store: AccountStore, keys: SealingKeys, ids: Ids) -> None:
        self._store = store
        self._keys = keys
        self._ids = ids

    async def put(self, who: Requester, name: str, wanted: PutAccount) -> tuple[AccountView, bool]:
        """The account as it is now, and whether it is new. Raises `ProblemError` 400, 409 and 503."""
        _check_name(name)
        settings = checked_settings(wanted.kind, wanted.settings)
        version = self._sealed(who, name, wanted.kind, wanted)
        audit = entry(
            who,
            AuditAction.ACCOUNT_PUT,
            f"account:{name}",
            kind=wanted.kind,
            settings=settings,
            default=wanted.default,
        )
        new = await self._store.put(version, _encode(settings), audit, default=wanted.default)
        if new is None:
            detail = f"the account {name!r} is of another kind; choose another name, or remove the account"
            raise ProblemError("account_kind_differs", detail, status=409)
        return await self.one(who.tenant, name), new

    async def one(self, tenant: str, name: str) -> AccountView:
        """Raises `ProblemError` 404."""
        found = await self._store.one(tenant, name)
        if found is None:
            raise no_such_account(name)
        return found

    async def page(self, tenant: str, after: str | None, limit: int) -> AccountPage:
        """By name. `next` is the name to continue from."""
        rows = await self._store.page(tenant, after, limit + 1)
        return AccountPage(*one_page(rows, limit, lambda row: row.name))

    async def versions(self, tenant: str, name: str) -> AccountVersionPage:
        """Raises `ProblemError` 404."""
        found = await self._store.versions(tenant, name)
        if not found:
            raise no_such_account(name)
        return AccountVersionPage(list(found))

    async def rotate(
        self, who: Requester, name: str, wanted: RotateAccount, claim: Claim | None
    ) -> AccountView:
        """Raises `ProblemError` 400, 404 and 503."""
        kind: Kind = (await self.one(who.tenant, name)).kind  # pyright: ignore[reportAssignmentType] (stored)
        version = self._sealed(who, name, kind, wanted)
        audit = entry(who, AuditAction.ACCOUNT_ROTATE, f"account:{name}", overlap_s=wanted.overlap_s)
        if not await self._store.rotate(version, wanted.overlap_s, audit, claim):
            raise no_such_account(name)
        return await self.one(who.tenant, name)

    async def confirm(self, who: Requester, name: str, claim: Claim | None) -> AccountView:
        """End the overlap. Raises `ProblemError` 404."""
        audit = entry(who, AuditAction.ACCOUNT_CONFIRM, f"account:{name}")
        if not await self._store.confirm(name, audit, claim):
            raise no_such_account(name)
        return await self.one(who.tenant, name)

    async def roll_back(
        self, who: Requester, name: str, wanted: RollBackAccount, claim: Claim | None
    ) -> AccountView:
        """Raises `ProblemError` 404."""
        await self.one(who.tenant, name)
        audit = entry(who, AuditAction.ACCOUNT_ROLL_BACK, f"account:{name}", version=wanted.version)
        if not await self._store.roll_back(name, wanted.version, audit, claim):
            which = "earlier version" if wanted.version is None else f"version {wanted.version}"
            detail = f"the account {name!r} has no {which}; list its versions"
            raise ProblemError("account_version_not_found", detail, status=404)
        return await self.one(who.tenant, name)

    async def remove(self, who: Requester, name: str) -> None:
        """Raises `ProblemError` 404."""
        audit = entry(who, AuditAction.ACCOUNT_REMOVE, f"account:{name}")
        if not await self._store.remove(name, audit):
            raise no_such_account(name)

    def _sealed(
        self, who: Requester, name: str, kind: Kind, wanted: PutAccount | RotateAccount
    ) -> SealedVersion:
        key, version = self._keys.current(), self._ids.uuid7()
        credentials = checked_credentials(kind, wanted.credentials)
        shown = _encode(shown_credentials(kind, wanted.credentials))
        place = name_of_account_version(name, version)
        sealed = key.seal(credentials, tenant=who.tenant, name=place)
        return SealedVersion(who.tenant, name, kind, version, shown, sealed, key.id, who.actor)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        detail = f"{name!r} cannot name an account: 1 to 63 lower-case letters, digits and inner -"
        raise ProblemError("invalid_body", detail, status=400)


def no_such_account(name: str) -> ProblemError:
    detail = f"there is no account {name!r}; list accounts with GET /v1/accounts"
    return ProblemError("account_not_found", detail, status=404)
