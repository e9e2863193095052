"""What hooks accepted and refused, in PostgreSQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.hooks import HookDeliveryView, RefusalCount, Refusals, RefusedRequest
from visapi_common.core.errors import TransientFault
from visapi_gateway.events.service import NewEvent
from visapi_gateway.events.transaction import put_events
from visapi_gateway.hooks.deliveries.service import KeptDelivery, Replay
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key

_SQL = load_queries("visapi_gateway.hooks.deliveries", "queries.sql")


class PgHookDeliveries:
    """See `hooks.deliveries.service.DeliveryStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def has_hook(self, tenant: str, hook: UUID) -> bool:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await connection.fetchval(_SQL["hook_exists"], tenant, hook)

    async def page(
        self, tenant: str, hook: UUID, before: UUID | None, limit: int
    ) -> Sequence[HookDeliveryView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_deliveries"], tenant, hook, before, limit)
        return [_view(hook, row) for row in rows]

    async def named(self, tenant: str, hook: UUID, delivery: str) -> Sequence[HookDeliveryView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["deliveries_named"], tenant, hook, delivery)
        return [_view(hook, row) for row in rows]

    async def view(self, tenant: str, hook: UUID, delivery: UUID) -> HookDeliveryView | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["delivery_view"], tenant, hook, delivery)
        return None if row is None else _view(hook, row)

    async def one(self, tenant: str, hook: UUID, delivery: UUID) -> KeptDelivery | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["one_delivery"], tenant, hook, delivery)
        return None if row is None else KeptDelivery(_view(hook, row), row["event"])

    async def replay(self, tenant: str, replay: Replay, claim: Claim | None) -> bool:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            counted = await connection.fetchval(_SQL["count_replay"], tenant, replay.hook, replay.delivery)
            if counted is None:
                return False
            await hold_key(connection, claim)
            again = replay.event
            event = NewEvent(again.source, again.id, again.type, again.event)
            if not await put_events(connection, tenant, [event]):
                detail = "the event of the replay was not committed; send the request again"
                raise TransientFault(detail, retry_after_s=1.0)
            await record(connection, replay.audit)
        return True

    async def refusals(self, tenant: str, hook: UUID, limit: int) -> Refusals:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            counts = await connection.fetch(_SQL["refusal_counts"], tenant, hook)
            latest = await connection.fetch(_SQL["refused_requests"], tenant, hook, limit)
        return Refusals([RefusalCount(**row) for row in counts], [RefusedRequest(**row) for row in latest])


def _view(hook: UUID, row: Row) -> HookDeliveryView:
    fields: dict[str, Any] = {name: value for name, value in dict(row).items() if name != "event"}
    path = f"/v1/hooks/{hook}/deliveries/{row['id']}"
    links = {"self": path, "hook": f"/v1/hooks/{hook}"}
    if row["kept"]:
        links["replay"] = f"{path}/replay"
    return HookDeliveryView(**fields, links=links)
