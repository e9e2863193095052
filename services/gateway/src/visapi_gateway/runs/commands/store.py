"""Commands to runs in PostgreSQL: each is a row of the run's inbox, committed with its audit entry."""

from collections.abc import Sequence
from uuid import UUID

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.core.large_values import small_part
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.runs.commands.service import UNREAD_MAX, Command, CommandOutcome

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

    async def send(self, tenant: str, commands: Sequence[Command]) -> set[UUID]:
        rows = [
            (command.row.run, command.row.key, command.row.kind, command.row.body) for command in commands
        ]
        async with tenant_transaction(self._pool, [tenant]) as connection:
            sent = await connection.fetch(_SQL["send_commands"], tenant, *map(list, zip(*rows, strict=True)))
            fresh = {row["run"] for row in sent}
            await _cancel_families(connection, tenant, commands)
            await record(connection, *(command.audit for command in commands if command.row.run in fresh))
        return fresh

    async def cancel_family(self, tenant: str, command: Command) -> bool:
        run = command.row.run
        async with tenant_transaction(self._pool, [tenant]) as connection:
            if not await connection.fetchval(_SQL["open_descendants"], run):
                return False
            await _cancel_families(connection, tenant, [command])
            await record(connection, command.audit)
        return True

    async def commit(self, command: Command, claim: Claim | None) -> CommandOutcome:
        try:
            return await self._committed(command, claim)
        except _Refused as refused:
            return refused.outcome

    async def _committed(self, command: Command, claim: Claim | None) -> CommandOutcome:
        row = command.row
        async with tenant_transaction(self._pool, [row.tenant]) as connection:
            await hold_key(connection, claim)
            written = await connection.fetchval(
                _SQL["put_command"], row.run, row.key, row.tenant, row.kind, row.body, UNREAD_MAX
            )
            if written is not None:
                await _cancel_families(connection, row.tenant, [command])
                await record(connection, command.audit)
                return CommandOutcome.COMMITTED
            waiting = await connection.fetchval(_SQL["waiting_command"], row.run, row.key, row.tenant)
            if waiting != row.body:
                raise _Refused(CommandOutcome.FULL if waiting is None else CommandOutcome.OTHER_WAITS)
            await record(connection, command.audit)
            return CommandOutcome.WAITS


async def _cancel_families(connection: Connection, tenant: str, commands: Sequence[Command]) -> None:
    roots = sorted(command.row.run for command in commands if command.row.kind == InboxKind.CANCEL)
    if roots:
        await connection.execute(_SQL["cancel_families"], tenant, roots)


class _Refused(Exception):
    """Nothing of the command is committed, not even its `Idempotency-Key`."""

    def __init__(self, outcome: CommandOutcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome
