"""Exporting and erasing a tenant reads no table from end to end: every statement finds its rows by an index, under the
rights of the service that runs it.
"""

import re
from collections.abc import Mapping

import asyncpg
import pytest

from kit.servers import Database
from visapi_common.adapters.queries import load_queries

ERASED = load_queries("visapi_orchestrator.upkeep.store", "erasures.sql")
EXPORTED = load_queries("visapi_gateway.tenants.store", "exports.sql")
SMALL = {"due", "hold", "go_on", "end", "put_off"}
"""About the table of erasures, which has a row for each tenant that is erased."""


def reads_whole(node: str) -> bool:
    """A scan of a table, or of an index without a condition on it."""
    head = node.partition("\n")[0]
    by_index = "Index Scan" in head or "Index Only Scan" in head
    return "Seq Scan" in head or (by_index and "Index Cond" not in node)


async def read_whole(url: str, statements: Mapping[str, str]) -> dict[str, str]:
    """The statements whose plan reads a table from end to end although that is forbidden."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set search_path to visapi; set enable_seqscan to off; set jit to off")
        await connection.execute("set plan_cache_mode to force_generic_plan")
        found: dict[str, str] = {}
        for name, text in statements.items():
            nothing = ", ".join(["null"] * max(map(int, re.findall(r"\$(\d)", text))))
            await connection.execute(f"prepare one as {text}")
            rows = await connection.fetch(f"explain execute one({nothing})")
            await connection.execute("deallocate one")
            plan = "\n".join(row[0] for row in rows)
            nodes = plan.split("->")
            if any("Scan" in node and reads_whole(node) for node in nodes):
                found[name] = plan
        return found
    finally:
        await connection.close()


@pytest.mark.parametrize("what", ["erased", "exported"])
async def test_every_statement_finds_its_rows_by_an_index(postgres_db: Database, what: str) -> None:
    url, blocks = {
        "erased": (postgres_db.orchestrator, ERASED),
        "exported": (postgres_db.gateway, EXPORTED),
    }[what]
    big = {name: text for name, text in blocks.items() if name not in SMALL}
    assert len(big) > 15
    assert await read_whole(url, big) == {}


async def test_a_statement_without_an_index_is_noticed(postgres_db: Database) -> None:
    slow = {
        "by tenant": "select effect_key from deliveries where tenant = $1",
    }
    assert set(await read_whole(postgres_db.orchestrator, slow)) == set(slow)
