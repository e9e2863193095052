"""Hooks in PostgreSQL, without a way to read their secrets."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.hooks import HookSecretView, HookView
from visapi_common.core.errors import ProblemError
from visapi_gateway.hooks.managing.rules import SECRETS_MAX
from visapi_gateway.hooks.managing.service import HookRow, SecretRow
from visapi_gateway.hooks.rules.addresses import path_of
from visapi_gateway.hooks.rules.events import source_of
from visapi_gateway.hooks.rules.stored_settings import read_settings
from visapi_gateway.kernel.api.etags import Check
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.kernel.quotas import Quotas

_SQL = load_queries("visapi_gateway.hooks.managing", "queries.sql")


class PgHookStore:
    """See `hooks.managing.service.HookStore`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def put(
        self, hook: HookRow, secrets: Sequence[SecretRow], audit: AuditEntry, claim: Claim | None
    ) -> bool:
        try:
            await self._put(hook, secrets, audit, claim)
        except _NameTaken:
            return False
        return True

    async def _put(
        self, hook: HookRow, secrets: Sequence[SecretRow], audit: AuditEntry, claim: Claim | None
    ) -> None:
        async with tenant_transaction(self._pool, [hook.tenant]) as connection:
            await hold_key(connection, claim, str(hook.id))
            if await connection.fetchval(_SQL["add_hook"], *msgspec.structs.astuple(hook)) is None:
                raise _NameTaken
            for secret in secrets:
                await connection.execute(_SQL["add_secret"], *msgspec.structs.astuple(secret))
            await self._quotas.check(connection, hook.tenant, "hooks")
            await record(connection, audit)

    async def one(self, tenant: str, hook: UUID) -> HookView | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["one_hook"], tenant, hook)
            views = await _views(connection, tenant, [] if row is None else [row])
        return views[0] if views else None

    async def page(self, tenant: str, name: str | None, after: str | None, limit: int) -> Sequence[HookView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_hooks"], tenant, name, after, limit)
            return await _views(connection, tenant, rows)

    async def update(
        self, hook: UUID, enabled: bool | None, settings: bytes | None, audit: AuditEntry, check: Check
    ) -> bool:
        place = (audit.tenant, hook)
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            if not await _locked(connection, *place, check):
                return False
            await connection.execute(_SQL["update_hook"], *place, enabled, settings, audit.actor)
            await record(connection, audit)
        return True

    async def rotate(
        self, secret: SecretRow, overlap_s: int, audit: AuditEntry, check: Check, claim: Claim | None
    ) -> bool:
        place = (secret.tenant, secret.hook)
        async with tenant_transaction(self._pool, [secret.tenant]) as connection:
            if not await _locked(connection, *place, check):
                return False
            await hold_key(connection, claim, str(secret.hook))
            await connection.execute(_SQL["touch_hook"], *place, audit.actor)
            await connection.execute(_SQL["drop_ended_secrets"], *place)
            await connection.execute(_SQL["shorten_secrets"], *place, secret.purpose, overlap_s)
            await connection.execute(_SQL["add_secret"], *msgspec.structs.astuple(secret))
            valid = await connection.fetchval(_SQL["count_valid"], *place, secret.purpose)
            if valid > SECRETS_MAX:
                raise _too_many()
            await record(connection, audit)
        return True

    async def remove(self, hook: UUID, audit: AuditEntry, check: Check) -> bool:
        place = (audit.tenant, hook)
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            if not await _locked(connection, *place, check):
                return False
            await connection.execute(_SQL["remove_hook"], *place, audit.actor)
            await connection.execute(_SQL["drop_secrets"], *place)
            await record(connection, audit)
        return True


class _NameTaken(Exception):
    """Another hook has the name: nothing is committed, not even the `Idempotency-Key`."""


async def _locked(connection: Connection, tenant: str, hook: UUID, check: Check) -> bool:
    """Whether there is the hook, which nobody else changes until the transaction ends. Raises what `check`
    raises of the hook.
    """
    row = await connection.fetchrow(_SQL["lock_hook"], tenant, hook)
    if row is not None:
        check((await _views(connection, tenant, [row]))[0])
    return row is not None


async def _views(connection: Connection, tenant: str, rows: Sequence[Row]) -> list[HookView]:
    """The hooks of these rows, with what may be shown of their secrets."""
    if not rows:
        return []
    secrets: dict[UUID, list[HookSecretView]] = {}
    for row in await connection.fetch(_SQL["secrets_of"], tenant, [row["id"] for row in rows]):
        fields: dict[str, Any] = dict(row)
        secrets.setdefault(fields.pop("hook"), []).append(HookSecretView(**fields))
    return [_view(row, secrets) for row in rows]


def _view(row: Row, secrets: Mapping[UUID, list[HookSecretView]]) -> HookView:
    fields: dict[str, Any] = dict(row)
    path = f"/v1/hooks/{row['id']}"
    names = ("rotate", "deliveries", "refusals")
    return HookView(
        **{name: value for name, value in fields.items() if name not in ("address", "settings")},
        path=path_of(row["address"]),
        source=source_of(row["name"]),
        settings=read_settings(row["settings"]),
        secrets=secrets.get(row["id"], []),
        links={"self": path, **{name: f"{path}/{name}" for name in names}},
    )


def _too_many() -> ProblemError:
    detail = (
        f"a hook has at most {SECRETS_MAX} valid secrets of a kind; rotate with a shorter overlap_s, which "
        "ends earlier ones sooner"
    )
    return ProblemError("quota_exceeded", detail, status=409)
