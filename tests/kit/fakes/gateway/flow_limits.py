"""The counts of flow control in memory."""

from collections.abc import Sequence

from visapi_gateway.flow_limits.service import LimitRow


class FakeLimits:
    """See `flow_limits.service.LimitStore`."""

    def __init__(self) -> None:
        self.rows: dict[str, list[LimitRow]] = {}
        """By tenant."""

    async def page(
        self, tenant: str, workflow: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[LimitRow]:
        found = [
            row
            for row in self.rows.get(tenant, [])
            if workflow in (None, row.scope) and (after is None or (row.scope, row.key) > after)
        ]
        return sorted(found, key=lambda row: (row.scope, row.key))[:limit]
