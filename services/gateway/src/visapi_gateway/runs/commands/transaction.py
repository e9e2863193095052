"""Statements of commands for other slices' transactions."""

from uuid import UUID

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_gateway.runs.commands.service import CommandOutcome, IdempotencyKey, InboxRow

_SQL = load_queries("visapi_gateway.runs.commands", "queries.sql")


async def put_inbox(connection: Connection, row: InboxRow) -> None:
    """Put a row into a run's inbox; an existing row with the same key is kept."""
    await connection.execute(_SQL["put_inbox"], row.run, row.key, row.tenant, row.kind, row.body)


async def hold_key(
    connection: Connection, tenant: str, key: IdempotencyKey, target: UUID
) -> CommandOutcome | None:
    """Take the `Idempotency-Key` for `target`. Returns None when it was free, else the outcome of its earlier
    use.
    """
    if await connection.fetchval(_SQL["hold_key"], tenant, key.value, target, key.request_hash) is not None:
        return None
    return await key_outcome(connection, tenant, key) or CommandOutcome.CONFLICT


async def key_outcome(connection: Connection, tenant: str, key: IdempotencyKey) -> CommandOutcome | None:
    """`REPLAYED` or `CONFLICT` when the key was used before, else None."""
    holder = await connection.fetchrow(_SQL["key_holder"], tenant, key.value)
    if holder is None:
        return None
    return CommandOutcome.REPLAYED if holder["body_hash"] == key.request_hash else CommandOutcome.CONFLICT
