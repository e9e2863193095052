"""Flow control in PostgreSQL, as one tenant sees it."""

from collections.abc import Sequence

from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_gateway.flow_limits.service import LimitRow

_SQL = load_queries("visapi_gateway.flow_limits", "queries.sql")


class PgLimitStore:
    """See `flow_limits.service.LimitStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, tenant: str, workflow: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[LimitRow]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            last = after or (None, None)
            rows = await connection.fetch(_SQL["list_limits"], tenant, workflow, *last, limit)
        return [LimitRow(**row) for row in rows]
