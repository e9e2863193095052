"""What a tenant has in PostgreSQL: its rows in every table that names tenants, those of later migrations too."""

from typing import Any, Protocol

_OWNED = """
select c.relname as name, a.attname as owner
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attname = any('{tenant,owner}') and not a.attisdropped
where n.nspname = 'visapi' and c.relkind in ('r', 'p') and not c.relispartition order by 1
"""
KEPT = {"audit", "tenant_erasures"}
"""Tables in which an erased tenant has rows."""


class Reader(Protocol):
    """A connection, or a pool of connections, that sees the rows of all tenants."""

    async def fetch(self, query: str, *args: object) -> list[Any]: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...


async def owned(database: Reader, tenant: str) -> dict[str, int]:
    """The number of rows of a tenant in each table that has any."""
    found = {
        row["name"]: await database.fetchval(
            f"select count(*) from visapi.{row['name']} where {row['owner']} = $1", tenant
        )
        for row in await database.fetch(_OWNED)
    }
    return {name: number for name, number in found.items() if number}
