"""Migrations that build indexes: who writes meanwhile, and what a build that failed half-way leaves."""

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from kit.ledger_rows import lose, overwrite
from kit.managed_postgres import Cluster
from kit.waiting import eventually
from visapi_common.adapters.migrate import Migration, apply_migrations, packaged, schema_state
from visapi_common.core.errors import TransientFault

ROWS = 1000
WAIT_S_MAX = 1.0
SLOW = """
create function slowly(id text) returns text language plpgsql immutable as
$$ begin perform pg_sleep(0.003); return id; end $$
"""
"""An index on it takes 3 ms for each row: the build lasts longer than a write may wait."""
BY_SLOW = Migration("9001_more.index.sql", "create index concurrently by_slow on busy (slowly(id));")
MIGRATIONS = [*packaged(), BY_SLOW]
INDEX = "select indexrelid from pg_index where indexrelid = to_regclass('by_slow')"
VALID = "select indisvalid from pg_index where indexrelid = to_regclass('by_slow')"


@pytest.fixture
async def owner(migrated: Cluster) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(migrated.master, server_settings={"search_path": "visapi"})
    await connection.execute(SLOW)
    await connection.execute(
        f"create table busy as select 't' || n as id, 0 as seen from generate_series(1, {ROWS}) n"
    )
    yield connection
    await connection.close()


async def test_no_write_waits_long_while_an_index_is_built(migrated: Cluster, owner: asyncpg.Connection):
    building = asyncio.create_task(apply_migrations(migrated.master, migrations=MIGRATIONS))
    waits: list[float] = []
    while not building.done():
        began = time.monotonic()
        await overwrite(owner, "busy", {"id": f"t{len(waits) % ROWS + 1}"}, seen=len(waits))
        waits.append(time.monotonic() - began)
    assert await building == [BY_SLOW.name]
    assert sum(waits) > 2 * WAIT_S_MAX, "the build was too short to show anything"
    assert max(waits) < WAIT_S_MAX
    assert await valid(owner)


async def test_a_build_that_failed_half_way_is_begun_again(migrated: Cluster, owner: asyncpg.Connection):
    building = asyncio.create_task(apply_migrations(migrated.master, migrations=MIGRATIONS))
    begun = await eventually(lambda: by_slow(owner))
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'create index concurrently%'"
    )
    with pytest.raises(TransientFault):
        await building
    assert not await valid(owner)
    assert (await schema_state(migrated.master, migrations=MIGRATIONS)).expand == [BY_SLOW.name]

    assert await apply_migrations(migrated.master, migrations=MIGRATIONS) == [BY_SLOW.name]
    assert await valid(owner)
    assert await by_slow(owner) != begun


async def test_an_index_that_is_complete_is_not_built_again(migrated: Cluster, owner: asyncpg.Connection):
    assert await apply_migrations(migrated.master, migrations=MIGRATIONS) == [BY_SLOW.name]
    before = await by_slow(owner)
    # As after a `kill -9` between the build and its record.
    await lose(owner, "migrations", name=BY_SLOW.name)
    assert await apply_migrations(migrated.master, migrations=MIGRATIONS) == [BY_SLOW.name]
    assert await by_slow(owner) == before


async def test_who_migrates_at_the_same_time_waits_and_does_not_disturb_the_build(
    migrated: Cluster, owner: asyncpg.Connection
):
    async with asyncio.TaskGroup() as both:
        first = both.create_task(apply_migrations(migrated.master, migrations=MIGRATIONS))
        await eventually(lambda: by_slow(owner))
        begun = await by_slow(owner)
        second = both.create_task(apply_migrations(migrated.master, migrations=MIGRATIONS))
    assert (first.result(), second.result()) == ([BY_SLOW.name], [])
    assert await by_slow(owner) == begun


async def test_a_partitioned_table_gets_its_index_partition_by_partition(
    migrated: Cluster, owner: asyncpg.Connection
):
    by_end = Migration(
        "9001_more.index.sql", "create index concurrently done_by_end on runs_done (ended_at desc)"
    )
    # As after a failure: the parent's index is there, and those of the partitions are not.
    await owner.execute("create index done_by_end on only runs_done (ended_at desc)")
    assert await apply_migrations(migrated.master, migrations=[*packaged(), by_end]) == [by_end.name]

    await owner.execute("select make_retention_class(7)")
    await owner.execute("select make_retention_table('runs_done', 'd7')")
    without = await owner.fetch(
        """select t.relid::regclass::text from pg_partition_tree('runs_done') t where not exists (
            select from pg_index i join pg_partition_tree('done_by_end') x on x.relid = i.indexrelid
            where i.indrelid = t.relid and i.indisvalid)"""
    )
    assert without == []


async def by_slow(owner: asyncpg.Connection) -> int | None:
    """The index's identity: another one after it was built again."""
    return await owner.fetchval(INDEX)


async def valid(owner: asyncpg.Connection) -> bool:
    return bool(await owner.fetchval(VALID))
