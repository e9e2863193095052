"""System data in PostgreSQL. Functions have no row policies, because built-in functions belong to every
tenant.
"""

from collections.abc import Sequence

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.task_messages import FunctionSpec

_SQL = load_queries("visapi_gateway.system", "queries.sql")

_read_spec = Reader(FunctionSpec)


class PgSystemStore:
    """Announced functions, and the probe of PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def functions(self, tenant: str) -> Sequence[FunctionSpec]:
        """The functions that this tenant's workers and the built-in workers announced. An unreadable row is
        skipped; the orchestrator quarantines it.
        """
        with pg_faults():
            rows = await self._pool.fetch(_SQL["list_functions"], tenant)
        specs = (_read_spec(row["spec"]) for row in rows)
        return [spec for spec in specs if not isinstance(spec, Unreadable)]

    async def ping(self) -> None:
        """Raises `TransientFault` when PostgreSQL does not answer."""
        with pg_faults():
            await self._pool.fetchval(_SQL["ping"], timeout=2.0)
