"""Statements on rates for the transactions of the key store."""

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries

_SQL = load_queries("visapi_gateway.rates", "queries.sql")


async def inherit(connection: Connection, tenant: str, key: str, successor: str) -> None:
    """Give the successor of a key the key's own rates and names."""
    await connection.execute(_SQL["inherit_own"], tenant, key, successor)
    await connection.execute(_SQL["inherit_names"], tenant, key, successor)
