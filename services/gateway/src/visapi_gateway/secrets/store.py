"""Secrets in PostgreSQL, without a way to read their values."""

from collections.abc import Sequence

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.secrets import SecretView
from visapi_gateway.kernel.api.etags import Check
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.secrets.service import NewSecret, PutSecret

_SQL = load_queries("visapi_gateway.secrets", "queries.sql")


class PgSecretStore:
    """See `secrets.service.SecretStore`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def put(self, secret: NewSecret, audit: AuditEntry, check: Check) -> PutSecret:
        row = (secret.tenant, secret.name, secret.sealed, secret.hosts, secret.by, secret.sealed_with)
        async with tenant_transaction(self._pool, [secret.tenant]) as connection:
            check(await _locked(connection, secret.tenant, secret.name))
            stored = await connection.fetchrow(_SQL["add_secret"], *row)
            new = stored is not None
            if stored is None:
                stored = await connection.fetchrow(_SQL["replace_secret"], *row)
                assert stored is not None, "the lock keeps the secret that is there"
            else:
                await self._quotas.check(connection, secret.tenant, "secrets")
            await record(connection, audit)
        return PutSecret(SecretView(**stored), new)

    async def one(self, tenant: str, name: str) -> SecretView | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["one_secret"], tenant, name)
        return None if row is None else SecretView(**row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[SecretView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_secrets"], tenant, after, limit)
        return [SecretView(**row) for row in rows]

    async def remove(self, name: str, audit: AuditEntry, check: Check) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            stands = await _locked(connection, audit.tenant, name)
            if stands is None:
                return False
            check(stands)
            await connection.execute(_SQL["remove_secret"], audit.tenant, name)
            await record(connection, audit)
        return True


async def _locked(connection: Connection, tenant: str, name: str) -> SecretView | None:
    """The secret, which nobody else changes until the transaction ends."""
    await connection.execute(_SQL["lock_secret"], tenant, name)
    row = await connection.fetchrow(_SQL["one_secret"], tenant, name)
    return None if row is None else SecretView(**row)
