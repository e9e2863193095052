"""The artifact store and the audit behind `artifacts.service`."""

from collections.abc import AsyncIterator

from visapi_common.adapters.artifacts import ArtifactStore, media_type_of
from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.contracts.audit import AuditEntry
from visapi_common.core.stored_objects import StoredObject
from visapi_gateway.kernel.api.ranges import Span


class ArtifactSource:
    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def size(self, tenant: str, artifact: str) -> int | None:
        return await self._store.size(tenant, artifact)

    def media_type(self, artifact: str) -> str:
        return media_type_of(artifact)

    def stream(self, tenant: str, artifact: str, span: Span | None = None) -> AsyncIterator[bytes]:
        return self._store.stream(tenant, artifact, span)

    async def find(self, tenant: str, artifact: str) -> StoredObject | None:
        return await self._store.find(tenant, artifact)

    async def remove(self, tenant: str, artifact: str, seen: StoredObject) -> None:
        await self._store.remove(tenant, artifact, seen)


async def record_alone(pool: Pool, audit: AuditEntry) -> None:
    """Append to the audit in a transaction of its own."""
    async with tenant_transaction(pool, [audit.tenant]) as connection:
        await record(connection, audit)
