"""What families ask of PostgreSQL stays cheap under a plan that was made while the tables were empty."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from kit.big_tables import pages
from kit.ledger_rows import plant, plant_all
from kit.servers import Database
from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.transitions.store.ledger import SESSION

OBEY = load_queries("visapi_orchestrator.transitions.store", "families.sql")["cancel_descendants"]
TOLD = 4_000
LIMIT = 256
PAGES_PER_ROW = 16
"""Told or to be told, of each a few pages of the indexes."""


async def cancelled_family(own: asyncpg.Connection) -> None:
    """A cancelled family, of which most descendants have the command in their inboxes."""
    root, descendants = uuid4(), [uuid4() for _ in range(TOLD + LIMIT)]
    await plant(own, "families", root=root, tenant="default", cancelled_at=datetime.now(UTC))
    flow = {"tenant": "default", "namespace": "sales", "name": "w", "version": "1.0.0", "program": b"\0"}
    run = {**flow, "status": "waiting", "partition": 0, "input": b"{}", "started_by": "test", "root": root}
    await plant_all(own, "runs", [{"id": id_, **run} for id_ in descendants])
    row = {"key": "family", "tenant": "default", "kind": "cancel", "body": b"{}"}
    await plant_all(own, "inbox", [{"run": id_, **row} for id_ in descendants[:TOLD]])


async def test_a_family_that_was_told_for_the_most_part_is_looked_through_run_by_run(postgres_db: Database):
    own = await asyncpg.connect(postgres_db.superuser, server_settings={"search_path": "visapi"})
    service = await asyncpg.connect(
        postgres_db.orchestrator, server_settings={**SESSION, "search_path": "visapi", "jit": "off"}
    )
    try:
        await service.execute(f"prepare obey (bigint, bytea) as {OBEY}")
        await service.execute("execute obey (1, '')")
        await cancelled_family(own)
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
