"""Secrets in PostgreSQL, without a way to read their values."""

from collections.abc import Sequence

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.secrets import SecretView
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.secrets.service import NewSecret

_SQL = load_queries("visapi_gateway.secrets", "queries.sql")


class PgSecretStore:
    """See `secrets.service.SecretStore`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def put(self, secret: NewSecret, audit: AuditEntry) -> bool:
        row = (secret.tenant, secret.name, secret.sealed, secret.hosts, secret.by, secret.sealed_with)
        async with tenant_transaction(self._pool, [secret.tenant]) as connection:
            added = await connection.fetchval(_SQL["add_secret"], *row)
            if added is None:
                await connection.execute(_SQL["replace_secret"], *row)
            else:
                await self._quotas.check(connection, secret.tenant, "secrets")
            await record(connection, audit)
        return added is not None

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[SecretView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_secrets"], tenant, after, limit)
        return [SecretView(**row) for row in rows]

    async def remove(self, name: str, audit: AuditEntry) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            gone = await connection.fetchval(_SQL["remove_secret"], audit.tenant, name)
            if gone is not None:
                await record(connection, audit)
        return gone is not None
