"""How long runs are kept, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.retention.service import Check, Policy, accept_any

_SQL = load_queries("visapi_gateway.retention", "queries.sql")
_TABLES: Final = ("runs_done", "history", "run_attributes")


class PgRetentionStore:
    """See `retention.service.RetentionStore`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def default_days(self) -> int:
        with pg_faults():
            return await self._pool.fetchval(_SQL["default_days"])

    async def policy(self, tenant: str, namespace: str) -> Policy | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["policy"], tenant, namespace)
        return None if row is None else Policy(**row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[Policy]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["policies"], tenant, after, limit)
        return [Policy(**row) for row in rows]

    async def set(self, namespace: str, days: int, audit: AuditEntry, check: Check = accept_any) -> datetime:
        """The partitions for the runs are created before a run can refer to them.

        Each partition is created in its own transaction, which locks one table.
        """
        with pg_faults():
            retention = await self._pool.fetchval(_SQL["make_class"], days)
            for base in _TABLES:
                await self._pool.execute(_SQL["make_table"], base, retention)
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            check(await _locked(connection, audit.tenant, namespace))
            written = await connection.fetchrow(
                _SQL["set_policy"], audit.tenant, namespace, retention, audit.actor
            )
            assert written is not None, "an insert or an update gives its row"
            if written["fresh"]:
                await self._quotas.check(connection, audit.tenant, "retentions")
            await record(connection, audit)
        return written["updated_at"]

    async def reset(self, namespace: str, audit: AuditEntry, check: Check = accept_any) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            check(await _locked(connection, audit.tenant, namespace))
            gone = await connection.fetchval(_SQL["reset_policy"], audit.tenant, namespace)
            if gone is not None:
                await record(connection, audit)
        return gone is not None


async def _locked(connection: Connection, tenant: str, namespace: str) -> Policy | None:
    """The policy, which nobody else changes until the transaction ends."""
    await connection.execute(_SQL["lock_policy"], tenant, namespace)
    row = await connection.fetchrow(_SQL["policy"], tenant, namespace)
    return None if row is None else Policy(**row)
