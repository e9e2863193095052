"""Statements of commands for other slices' transactions."""

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_gateway.runs.commands.service import InboxRow

_SQL = load_queries("visapi_gateway.runs.commands", "queries.sql")


async def put_inbox(connection: Connection, row: InboxRow) -> None:
    """Put a row into a run's inbox; an existing row with the same key is kept."""
    await connection.execute(_SQL["put_inbox"], row.run, row.key, row.tenant, row.kind, row.body)
