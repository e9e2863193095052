"""What other slices write of commands within their own transactions."""

from uuid import UUID

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_gateway.runs.commands.service import Fate, InboxRow, Once

_SQL = load_queries("visapi_gateway.runs.commands", "queries.sql")


async def put_inbox(connection: Connection, row: InboxRow) -> None:
    """Put a row into a run's inbox; a row with its key that is there already stays."""
    await connection.execute(_SQL["put_inbox"], row.run, row.key, row.tenant, row.kind, row.body)


async def hold_key(connection: Connection, tenant: str, once: Once, target: UUID) -> Fate | None:
    """Take the `Idempotency-Key` for `target`; None when it was free, else what its use before means."""
    if await connection.fetchval(_SQL["hold_key"], tenant, once.key, target, once.asked) is not None:
        return None
    return await key_fate(connection, tenant, once) or Fate.CONFLICT


async def key_fate(connection: Connection, tenant: str, once: Once) -> Fate | None:
    """`REPLAYED` or `CONFLICT` when the key was used before, else None."""
    holder = await connection.fetchrow(_SQL["key_holder"], tenant, once.key)
    if holder is None:
        return None
    return Fate.REPLAYED if holder["body_hash"] == once.asked else Fate.CONFLICT
