"""Endpoints in PostgreSQL, without a way to read their secrets."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.endpoints import EndpointFilter, EndpointSecretView, EndpointView
from visapi_common.core.errors import ProblemError
from visapi_gateway.endpoints.managing.service import (
    SECRETS_MAX,
    EndpointChange,
    EndpointRow,
    EndpointSecretRow,
)
from visapi_gateway.kernel.api.etags import Check
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.kernel.quotas import Quotas

_SQL = load_queries("visapi_gateway.endpoints.managing", "queries.sql")


class PgEndpointStore:
    """See `endpoints.managing.service.EndpointStore`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def put(
        self, endpoint: EndpointRow, secret: EndpointSecretRow, audit: AuditEntry, claim: Claim | None
    ) -> bool:
        try:
            await self._put(endpoint, secret, audit, claim)
        except _NameTaken:
            return False
        return True

    async def _put(
        self, endpoint: EndpointRow, secret: EndpointSecretRow, audit: AuditEntry, claim: Claim | None
    ) -> None:
        async with tenant_transaction(self._pool, [endpoint.tenant]) as connection:
            await hold_key(connection, claim, str(endpoint.id))
            if await connection.fetchval(_SQL["add_endpoint"], *msgspec.structs.astuple(endpoint)) is None:
                raise _NameTaken
            await connection.execute(_SQL["add_secret"], *msgspec.structs.astuple(secret))
            await self._quotas.check(connection, endpoint.tenant, "endpoints")
            await record(connection, audit)

    async def one(self, tenant: str, endpoint: UUID) -> EndpointView | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["one_endpoint"], tenant, endpoint)
            views = await _views(connection, tenant, [] if row is None else [row])
        return views[0] if views else None

    async def page(
        self, tenant: str, name: str | None, after: str | None, limit: int
    ) -> Sequence[EndpointView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_endpoints"], tenant, name, after, limit)
            return await _views(connection, tenant, rows)

    async def update(self, endpoint: UUID, change: EndpointChange, audit: AuditEntry, check: Check) -> bool:
        only = change.filter or EndpointFilter()
        place = (audit.tenant, endpoint)
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            if not await _locked(connection, *place, check):
                return False
            await connection.execute(
                _SQL["update_endpoint"],
                *place,
                change.url,
                change.types,
                change.wants,
                change.ordered,
                change.enabled,
                change.filter is not None,
                only.workflows,
                only.sources,
                audit.actor,
            )
            await record(connection, audit)
        return True

    async def rotate(
        self, secret: EndpointSecretRow, overlap_s: int, audit: AuditEntry, check: Check, claim: Claim | None
    ) -> bool:
        place = (secret.tenant, secret.endpoint)
        async with tenant_transaction(self._pool, [secret.tenant]) as connection:
            if not await _locked(connection, *place, check):
                return False
            await hold_key(connection, claim, str(secret.endpoint))
            await connection.execute(_SQL["touch_endpoint"], *place, audit.actor)
            await connection.execute(_SQL["drop_ended_secrets"], *place)
            await connection.execute(_SQL["shorten_secrets"], *place, overlap_s)
            await connection.execute(_SQL["add_secret"], *msgspec.structs.astuple(secret))
            if await connection.fetchval(_SQL["count_valid"], *place) > SECRETS_MAX:
                raise _too_many()
            await record(connection, audit)
        return True

    async def remove(self, endpoint: UUID, audit: AuditEntry, check: Check) -> bool:
        place = (audit.tenant, endpoint)
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            if not await _locked(connection, *place, check):
                return False
            await connection.execute(_SQL["remove_endpoint"], *place, audit.actor)
            await connection.execute(_SQL["drop_secrets"], *place)
            await record(connection, audit)
        return True


class _NameTaken(Exception):
    """Another endpoint has the name: nothing is committed, not even the `Idempotency-Key`."""


async def _locked(connection: Connection, tenant: str, endpoint: UUID, check: Check) -> bool:
    """Whether there is the endpoint, which nobody else changes until the transaction ends. Raises what
    `check` raises of the endpoint.
    """
    row = await connection.fetchrow(_SQL["lock_endpoint"], tenant, endpoint)
    if row is not None:
        check((await _views(connection, tenant, [row]))[0])
    return row is not None


async def _views(connection: Connection, tenant: str, rows: Sequence[Row]) -> list[EndpointView]:
    """The endpoints of these rows, with what may be shown of their secrets."""
    if not rows:
        return []
    secrets: dict[UUID, list[EndpointSecretView]] = {}
    for row in await connection.fetch(_SQL["secrets_of"], tenant, [row["id"] for row in rows]):
        fields: dict[str, Any] = dict(row)
        secrets.setdefault(fields.pop("endpoint"), []).append(EndpointSecretView(**fields))
    return [_view(row, secrets) for row in rows]


_FILTERS = ("workflows", "sources")


def _view(row: Row, secrets: Mapping[UUID, list[EndpointSecretView]]) -> EndpointView:
    fields: dict[str, Any] = {name: value for name, value in dict(row).items() if name not in _FILTERS}
    path = f"/v1/endpoints/{row['id']}"
    return EndpointView(
        **fields,
        filter=EndpointFilter(**{name: row[name] for name in _FILTERS}),
        secrets=secrets.get(row["id"], []),
        links={"self": path, **{name: f"{path}/{name}" for name in ("rotate", "ping", "messages")}},
    )


def _too_many() -> ProblemError:
    detail = (
        f"an endpoint has at most {SECRETS_MAX} valid secrets; rotate with a shorter overlap_s, which ends "
        "earlier ones sooner"
    )
    return ProblemError("quota_exceeded", detail, status=409)
