"""What the store of keys does to rates within its own transaction."""

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries

_SQL = load_queries("visapi_gateway.rates", "queries.sql")


async def inherit(connection: Connection, tenant: str, key: str, successor: str) -> None:
    """The successor of a key has the rates of the key: its own, and those of its names."""
    await connection.execute(_SQL["inherit_own"], tenant, key, successor)
    await connection.execute(_SQL["inherit_names"], tenant, key, successor)
