"""The rows and artifacts of a tenant for an export, from PostgreSQL and the artifact store; see
`tenants.exporting`.
"""

from collections.abc import AsyncIterator, Sequence

from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore, TemplateStore
from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_gateway.tenants.exporting import Row

_SQL = load_queries("visapi_gateway.tenants.store", "exports.sql")


class PgExportRows:
    """See `tenants.exporting.ExportRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, section: str, tenant: str, after: Sequence[str], limit: int, *more: object
    ) -> Sequence[Row]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await connection.fetch(_SQL[section], tenant, list(after), limit, *more)

    async def record(self, audit: AuditEntry) -> None:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            await record(connection, audit)


class StoredObjects:
    """See `tenants.exporting.ExportObjects`."""

    def __init__(self, artifacts: ArtifactStore, payloads: PayloadStore, templates: TemplateStore) -> None:
        self._stores = {"artifacts": artifacts, "payloads": payloads, "template_contents": templates}

    def names(self, section: str, tenant: str) -> AsyncIterator[str]:
        return self._stores[section].names(tenant)

    def chunks(self, section: str, tenant: str, name: str) -> AsyncIterator[bytes]:
        return self._stores[section].stream(tenant, name)
