"""Keys within the transactions of other stores."""

import msgspec

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core.named_rows import values_of
from visapi_gateway.keys.service import KeyRow

_SQL = load_queries("visapi_gateway.keys", "queries.sql")
_PUT_KEY = _SQL["put_key"].format(key=values_of(KeyRow))


async def add_key(connection: Connection, key: KeyRow) -> None:
    """Store a key, which counts on the quota of its tenant."""
    await connection.execute(_PUT_KEY, *msgspec.structs.astuple(key))
