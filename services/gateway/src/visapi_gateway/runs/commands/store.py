"""Commands to runs in PostgreSQL: each is a row of the run's inbox, committed with its audit entry."""

from collections.abc import Sequence
from uuid import UUID

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.core.large_values import small_part
from visapi_gateway.runs.commands.service import UNREAD_MAX, CommandOutcome, Once, Order
from visapi_gateway.runs.commands.transaction import hold_key, key_outcome

_SQL = load_queries("visapi_gateway.runs.commands", "queries.sql")


class PgCommandStore:
    """Each method is one transaction of the caller's tenant."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def resume_point(self, tenant: str, run: UUID) -> tuple[bytes, bytes] | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["resume_point"], run, tenant)
        return None if row is None else (small_part(row["resume"]), row["program"])

    async def ended_for_good(self, tenant: str, runs: Sequence[UUID]) -> dict[UUID, str]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["ended_for_good"], tenant, list(runs))
        return {row["id"]: row["status"] for row in rows}

    async def send(self, tenant: str, orders: Sequence[Order]) -> set[UUID]:
        rows = [(order.row.run, order.row.key, order.row.kind, order.row.body) for order in orders]
        async with tenant_transaction(self._pool, [tenant]) as connection:
            sent = await connection.fetch(_SQL["send_commands"], tenant, *map(list, zip(*rows, strict=True)))
            fresh = {row["run"] for row in sent}
            await _cancel_families(connection, tenant, orders)
            await record(connection, *(order.audit for order in orders if order.row.run in fresh))
        return fresh

    async def cancel_family(self, tenant: str, order: Order) -> bool:
        run = order.row.run
        async with tenant_transaction(self._pool, [tenant]) as connection:
            if not await connection.fetchval(_SQL["open_descendants"], run):
                return False
            await _cancel_families(connection, tenant, [order])
            await record(connection, order.audit)
        return True

    async def order(self, order: Order, once: Once | None) -> CommandOutcome:
        try:
            return await self._ordered(order, once)
        except _Refused as refused:
            return refused.outcome

    async def _ordered(self, order: Order, once: Once | None) -> CommandOutcome:
        row = order.row
        async with tenant_transaction(self._pool, [row.tenant]) as connection:
            if once is not None and (used := await hold_key(connection, row.tenant, once, row.run)):
                return used
            written = await connection.fetchval(
                _SQL["put_command"], row.run, row.key, row.tenant, row.kind, row.body, UNREAD_MAX
            )
            if written is not None:
                await _cancel_families(connection, row.tenant, [order])
                await record(connection, order.audit)
                return CommandOutcome.COMMITTED
            waiting = await connection.fetchval(_SQL["waiting_command"], row.run, row.key, row.tenant)
            if waiting != row.body:
                raise _Refused(CommandOutcome.FULL if waiting is None else CommandOutcome.OTHER_WAITS)
            await record(connection, order.audit)
            return CommandOutcome.WAITS

    async def holder(self, tenant: str, once: Once) -> CommandOutcome | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await key_outcome(connection, tenant, once)


async def _cancel_families(connection: Connection, tenant: str, orders: Sequence[Order]) -> None:
    roots = sorted(order.row.run for order in orders if order.row.kind == InboxKind.CANCEL)
    if roots:
        await connection.execute(_SQL["cancel_families"], tenant, roots)


class _Refused(Exception):
    """Nothing of the command is committed, not even its `Idempotency-Key`."""

    def __init__(self, outcome: CommandOutcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome
