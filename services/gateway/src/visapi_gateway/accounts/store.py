"""Accounts in PostgreSQL, without a way to read their credentials."""

from collections.abc import Sequence
from typing import Any

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.accounts import (
    VERSIONS_MAX,
    AccountOverlap,
    AccountVersionView,
    AccountView,
    CredentialView,
)
from visapi_common.contracts.audit import AuditEntry
from visapi_gateway.accounts.service import SealedVersion
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.kernel.quotas import Quotas

_SQL = load_queries("visapi_gateway.accounts", "queries.sql")
_read_shown = msgspec.json.Decoder(list[CredentialView]).decode
_read_settings = msgspec.json.Decoder(dict[str, Any]).decode
_PARTS = ("versions", "verify", "rotate", "confirm", "rollback")


class PgAccountStore:
    """See `accounts.service.AccountStore`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def put(
        self, version: SealedVersion, settings: bytes, audit: AuditEntry, *, default: bool
    ) -> bool | None:
        try:
            return await self._put(version, settings, audit, default=default)
        except _KindDiffers:
            return None

    async def _put(
        self, version: SealedVersion, settings: bytes, audit: AuditEntry, *, default: bool
    ) -> bool:
        tenant, name, kind = version.tenant, version.name, version.kind
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await connection.execute(_SQL["lock_accounts"], tenant)
            if default:
                await connection.execute(_SQL["leave_default"], tenant, kind, name)
            number = await connection.fetchval(_SQL["put_account"], tenant, name, kind, default, version.by)
            if number is None:
                raise _KindDiffers
            await _add(connection, version, number, settings)
            if number == 1:
                await self._quotas.check(connection, tenant, "accounts")
            await record(connection, audit)
        return number == 1

    async def rotate(
        self, version: SealedVersion, overlap_s: int, audit: AuditEntry, claim: Claim | None
    ) -> bool:
        place = (version.tenant, version.name)
        async with tenant_transaction(self._pool, [version.tenant]) as connection:
            await connection.execute(_SQL["lock_accounts"], version.tenant)
            row = await connection.fetchrow(
                _SQL["rotate_account"], *place, version.kind, overlap_s, version.by
            )
            if row is None:
                return False
            await hold_key(connection, claim, version.name)
            settings = await connection.fetchval(_SQL["version_settings"], *place, row["before"])
            await _add(connection, version, row["now"], settings)
            await record(connection, audit)
        return True

    async def confirm(self, name: str, audit: AuditEntry, claim: Claim | None) -> bool:
        return await self._change("confirm_account", name, (), audit, claim)

    async def roll_back(self, name: str, version: int | None, audit: AuditEntry, claim: Claim | None) -> bool:
        return await self._change("roll_back", name, (version,), audit, claim)

    async def one(self, tenant: str, name: str) -> AccountView | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["list_accounts"], tenant, name, None, 1)
        return None if row is None else _view(row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[AccountView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_accounts"], tenant, None, after, limit)
        return [_view(row) for row in rows]

    async def versions(self, tenant: str, name: str) -> Sequence[AccountVersionView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_versions"], tenant, name)
        return [_version(row) for row in rows]

    async def remove(self, name: str, audit: AuditEntry) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            gone = await connection.fetchval(_SQL["remove_account"], audit.tenant, name)
            if gone is not None:
                await record(connection, audit)
        return gone is not None

    async def note(self, audit: AuditEntry) -> None:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            await record(connection, audit)

    async def _change(
        self, query: str, name: str, given: Sequence[Any], audit: AuditEntry, claim: Claim | None
    ) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            await connection.execute(_SQL["lock_accounts"], audit.tenant)
            if await connection.fetchval(_SQL[query], audit.tenant, name, *given, audit.actor) is None:
                return False
            await hold_key(connection, claim, name)
            await record(connection, audit)
        return True


class _KindDiffers(Exception):
    """The account is of another kind: nothing is committed."""


async def _add(connection: Connection, version: SealedVersion, number: int, settings: bytes) -> None:
    """Add a version, and delete all but the newest versions."""
    place = (version.tenant, version.name)
    sealed = (version.shown, version.sealed, version.sealed_with, version.by)
    await connection.execute(_SQL["add_version"], *place, number, version.id, settings, *sealed)
    await connection.execute(_SQL["forget_versions"], *place, VERSIONS_MAX)


def _view(row: Row) -> AccountView:
    path = f"/v1/accounts/{row['name']}"
    return AccountView(
        name=row["name"],
        kind=row["kind"],
        default=row["is_default"],
        version=row["version"],
        settings=_read_settings(row["settings"]),
        credentials=_read_shown(row["shown"]),
        overlap=AccountOverlap(row["overlap_version"], row["overlap_until"]) if row["overlaps"] else None,
        created_at=row["created_at"],
        created_by=row["created_by"],
        updated_at=row["updated_at"],
        updated_by=row["updated_by"],
        links={"self": path, **{part: f"{path}/{part}" for part in _PARTS}},
    )


def _version(row: Row) -> AccountVersionView:
    return AccountVersionView(
        version=row["version"],
        state="current" if row["is_current"] else "overlapping" if row["overlaps"] else "kept",
        settings=_read_settings(row["settings"]),
        credentials=_read_shown(row["shown"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
    )
