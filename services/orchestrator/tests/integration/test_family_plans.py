"""What families ask of PostgreSQL stays cheap under a plan that was made while the tables were empty."""

from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from kit.big_tables import pages
from kit.servers import Database
from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.transitions.store.ledger import SESSION

OBEY = load_queries("visapi_orchestrator.transitions.store", "families.sql")["cancel_descendants"]
TOLD = 4_000
LIMIT = 256
PAGES_PER_ROW = 16
"""Told or to be told, of each a few pages of the indexes."""
FAMILY = """
with family as (
    insert into families (root, tenant, cancelled_at) values ($1, 'default', now())
), descendants as (
    insert into runs (id, tenant, namespace, name, version, program, status, partition, input, started_by, root)
    select gen_random_uuid(), 'default', 'sales', 'w', '1.0.0', '\\x00', 'waiting', 0, '{}', 'test', $1
    from generate_series(1, $2::int) returning id
)
insert into inbox (run, key, tenant, kind, body)
select id, 'family', 'default', 'cancel', '{}' from descendants limit $3::int
"""


async def test_a_family_that_was_told_for_the_most_part_is_looked_through_run_by_run(postgres_db: Database):
    own = await asyncpg.connect(postgres_db.superuser, server_settings={"search_path": "visapi"})
    service = await asyncpg.connect(
        postgres_db.orchestrator, server_settings={**SESSION, "search_path": "visapi", "jit": "off"}
    )
    try:
        await service.execute(f"prepare obey (bigint, bytea) as {OBEY}")
        await service.execute("execute obey (1, '')")
        await own.execute(FAMILY, uuid4(), TOLD + LIMIT, TOLD)
        plan = await service.fetchval(
            f"explain (analyze, buffers, format json) execute obey ({LIMIT}, '{{}}')", timeout=60
        )
    finally:
        await service.close()
        await own.close()
    (found,) = msgspec.json.decode(plan)
    assert pages(found["Plan"]) < PAGES_PER_ROW * (TOLD + LIMIT), plan
    assert rows(found["Plan"]) < PAGES_PER_ROW * (TOLD + LIMIT), plan


def rows(plan: dict[str, Any]) -> int:
    """Rows that the steps of a plan read, those included that they left out."""
    left_out = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    here = (plan["Actual Rows"] + left_out) * plan["Actual Loops"]
    return int(here) + sum(rows(below) for below in plan.get("Plans", ()))
