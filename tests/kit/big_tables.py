"""Tables of a million rows (`make plans`), or of a fifth of them, and the plans of statements on them as they were
carried out.
"""

import os
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from kit.servers import Database
from visapi_orchestrator.transitions.store.ledger import SESSION as ORCHESTRATOR

ROWS = 1_000_000 if os.environ.get("VISAPI_TEST_ROWS") == "full" else 200_000
ROOT = UUID("01900000-0000-7000-8000-00000000beef")
PARENT = UUID("01900000-0000-7000-8000-00000000feed")
SCHEDULE = UUID("01900000-0000-7000-8000-00000000cafe")
NONE = UUID(int=0)
PAGES_MAX = 1500
"""Below any of the tables, which have 2,000 pages at least, even in the short form; most statements touch some dozens."""

# Ids as `first_id_of`, one in 600 ms: a week of runs, in as many partitions.
ID = (
    "(lpad(to_hex((extract(epoch from date_trunc('day', now())) * 1000)::bigint + n * 600), 12, '0')"
    " || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
)
_COMMON = (
    "case when n % 10 = 0 then 'other' else 'default' end, 'sales',"
    " case when n % 100000 = 7 then 'rare' else 'w' || n % 50 end,"
    " case when n % 7 = 0 then '2.0.0' else '1.0.0' end, '\\x00'::bytea"
)
RUNS = f"""
insert into runs (id, tenant, namespace, name, version, program, status, partition, input, started_by, root, depth,
    parent, schedule)
select {ID}, {_COMMON},
    case when n % 200 = 1 then 'pending' when n % 10007 = 1 then 'suspended' when n % 3 = 0 then 'waiting'
        else 'running' end,
    0, '{{"inline":null}}', 'test', case when n <= 10000 then '{ROOT}'::uuid end, 0,
    case when n % 50000 = 3 then '{PARENT}'::uuid end, case when n % 50000 = 9 then '{SCHEDULE}'::uuid end
from generate_series(1, {ROWS}) as n
"""
DONE = f"""
insert into runs_done (id, tenant, namespace, name, version, program, status, revision, seq, priority, retention,
    input, started_by, created_at, ended_at, parent, schedule)
select {ID}, {_COMMON},
    case when n % 5000 = 1 then 'faulted' when n % 5001 = 1 then 'cancelled' else 'completed' end,
    1, 1, 5, 'standard', '{{"inline":null}}', 'test', now(), now(),
    case when n % 50000 = 3 then '{PARENT}'::uuid end, case when n % 50000 = 9 then '{SCHEDULE}'::uuid end
from generate_series(1, {ROWS}) as n
"""
APPROVALS = f"""
insert into approvals (tenant, id, run, path, workflow, task, shown, approvers, keys, state, asked_at, closed_at)
select case when n % 10 = 0 then 'other' else 'default' end, {ID}, {ID}, '/do/0/ask',
    'sales/' || case when n = 7 then 'rare' else 'w' || n % 50 end || ':1.0.0', 'ask', '{{}}', '{{}}', '{{}}',
    case when n % 3 = 0 then 'open' else 'decided' end, now(), case when n % 3 > 0 then now() end
from generate_series(1, {ROWS // 2}) as n
"""

HISTORY = f"""
insert into history (run, first_seq, last_seq, tenant, retention, items, xid)
select {ID}, 1, 1, case when n % 10 = 0 then 'other' else 'default' end, 'standard',
    '[{{"seq":1,"type":"workflow.started","time":"2026-01-01T00:00:00Z"}}]', (100 + n / 400)::text::xid8
from generate_series(1, {ROWS}) as n
"""

_FEW = 1000
_SESSION = "set search_path to visapi; set synchronous_commit to off; set maintenance_work_mem to '256MB'"
# All of a table, save the keys that other tables refer to. That of a partitioned table is made on each partition.
_INDEXES = """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
    format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make
from pg_constraint as key
where conrelid = to_regclass($1) and contype in ('p', 'u')
    and not exists (select from pg_constraint as other where other.confrelid = key.conrelid and other.contype = 'f')
union all
select format('drop index %s', indexrelid::regclass), replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
from pg_index
where indrelid = to_regclass($1) and not exists (select from pg_constraint where conindid = indexrelid)
"""


class Big:
    """A database, and tables of it that are filled when first asked for."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._full: set[str] = set()

    async def fill(self, statement: str, *tables: str) -> None:
        """Carry out the statement, then build the indexes of the tables: row by row they would take ten times as long."""
        if statement in self._full:
            return
        connection = await asyncpg.connect(self.database.superuser)
        try:
            await connection.execute(_SESSION)
            indexes = [index for table in tables for index in await connection.fetch(_INDEXES, table)]
            for index in indexes:
                await connection.execute(index["drop"])
            await connection.execute(statement, timeout=240)
            for index in indexes:
                await connection.execute(index["make"], timeout=60)
            for table in tables:
                await connection.execute(f"vacuum analyze {table}", timeout=60)
        finally:
            await connection.close()
        self._full.add(statement)

    async def count(self, query: str, *arguments: object) -> int:
        """What a statement that counts says."""
        connection = await asyncpg.connect(self.database.superuser, server_settings={"search_path": "visapi"})
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()


def pages(plan: dict[str, Any]) -> int:
    """Pages that the statement touched, whether they were in memory or not."""
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def explained(
    url: str, session: dict[str, str], query: str, *arguments: object, before: str = ""
) -> dict[str, Any]:
    """The plan of a statement as it was carried out; nothing of it stays."""
    connection = await asyncpg.connect(
        url, server_settings={**session, "search_path": "visapi", "jit": "off"}
    )
    try:
        transaction = connection.transaction()
        await transaction.start()
        if before:
            await connection.execute(before)
        found = await connection.fetchval(
            "explain (analyze, buffers, format json) " + query, *arguments, timeout=60
        )
        await transaction.rollback()
    finally:
        await connection.close()
    return msgspec.json.decode(found)[0]["Plan"]


async def bounded(
    big: Big, query: str, *arguments: object, most: int = PAGES_MAX, url: str = "", before: str = ""
) -> None:
    """Fail when the statement touches more pages than `most`, or reads a table of the ledger to its end."""
    where = url or big.database.orchestrator
    plan = await explained(where, ORCHESTRATOR, query, *arguments, before=before)
    shown = msgspec.json.format(msgspec.json.encode(plan)).decode()
    assert pages(plan) < most, shown
    assert not whole_tables(plan), shown


def rows_read(plan: dict[str, Any], index: str) -> int:
    """Rows that the statement read from an index. Unlike pages, their number does not depend on how much of the
    table VACUUM has marked as visible to all.
    """
    below = sum(rows_read(each, index) for each in plan.get("Plans", ()))
    if plan.get("Index Name") != index:
        return below
    each = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return below + round(each * plan["Actual Loops"])


def whole_tables(plan: dict[str, Any]) -> set[str]:
    """Tables of which the plan read more than a thousand rows without an index."""
    found = {name for below in plan.get("Plans", ()) for name in whole_tables(below)}
    rows = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    if plan["Node Type"] == "Seq Scan" and rows > _FEW:
        found.add(plan["Relation Name"])
    return found
