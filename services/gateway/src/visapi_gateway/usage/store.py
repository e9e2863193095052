"""Usage in PostgreSQL, as one tenant sees it."""

from collections.abc import Sequence

from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.usage import UsageView
from visapi_gateway.usage.service import Position, UsageRequest

_SQL = load_queries("visapi_gateway.usage", "queries.sql")


class PgUsageStore:
    """See `usage.service.UsageStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, tenant: str, wanted: UsageRequest, after: Position | None, limit: int
    ) -> Sequence[UsageView]:
        workflow = (None, None) if wanted.workflow is None else wanted.workflow.split("/", 1)
        last = (None, None, None) if after is None else (after.day, after.namespace, after.name)
        common = (tenant, wanted.first, wanted.last, *workflow, *last, limit)
        async with tenant_transaction(self._pool, [tenant]) as connection:
            if wanted.by is None:
                rows = await connection.fetch(_SQL["usage_rows"], *common)
            else:
                rows = await connection.fetch(_SQL["usage_sums"], *common, wanted.by == "day")
        return [UsageView(**row) for row in rows]
