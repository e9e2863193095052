"""Ended runs are forgotten when they were kept long enough, by dropping their tables; nothing else is."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kit.ledger_rows import overwrite, plant
from kit.orchestration import Stack
from kit.servers import Database
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.core.errors import Fault
from visapi_common.core.ids import uuid7_from
from visapi_orchestrator.transitions.store.revival import revive
from visapi_orchestrator.upkeep.retention import Retention
from visapi_orchestrator.upkeep.rules.retention import BASES, RUNS, Partition, RetentionClass
from visapi_orchestrator.upkeep.store.retention import PostgresRetention

STANDARD = RetentionClass("standard", 30, 1)
NOW = datetime.now(UTC)

OF_CHILD = "select retention, tableoid::regclass::text as table from runs_done where parent = $1"

OLD = {
    "tenant": "default",
    "namespace": "test",
    "name": "old",
    "version": "1.0.0",
    "program": b"\0",
    "input": b"{}",
    "started_by": "test",
}


def belongings(run: UUID, retention: str) -> dict[str, dict[str, object]]:
    """A row of each table that is forgotten with a run, by table."""
    letter = {"id": run, "tenant": "default", "service": "test", "reason": "dead", "detail": "d", "run": run}
    attribute = {"tenant": "default", "name": "a", "value": "x", "folded": "x"}
    history = {"first_seq": 1, "last_seq": 1, "tenant": "default", "items": b"[]"}
    return {
        "history": {"run": run, "retention": retention, **history},
        "run_attributes": {"run": run, "retention": retention, **attribute},
        "dead_letters": letter,
        "recorded_inputs": {"run": run, "revision": 1, "events": b"[]"},
        "started_effects": {"run": run, "effect_key": "key"},
    }


class Shelf:
    """The tables, seen by their superuser; and the orchestrator that keeps them."""

    def __init__(self, pool: Pool, orchestrator: Pool, gateway: Pool) -> None:
        self.pool = pool
        self.orchestrator = orchestrator
        self.gateway = gateway
        self.rows = PostgresRetention(orchestrator)
        self.retention = Retention(self.rows, 30)

    async def day(self, ago: int, retention: str = "standard") -> None:
        """Partitions of a day that is long past, as they were made when it was to come."""
        first = (NOW - timedelta(days=ago)).date()
        for base in BASES:
            new = Partition(base, retention, first, first + timedelta(days=1))
            assert await self.rows.make(new)

    async def run(
        self, created: int, *, ended: int | None, retention: str = "standard", status: str = "completed"
    ) -> UUID:
        """A run made so many days ago, with all that belongs to a run."""
        made = NOW - timedelta(days=created)
        run = uuid7_from(int(made.timestamp() * 1000), secrets.randbits(80))
        row = {**OLD, "id": run, "created_at": made, "retention": retention}
        if ended is None:
            await plant(self.pool, "runs", **row, partition=0)
        else:
            end = {"status": status, "ended_at": NOW - timedelta(days=ended)}
            await plant(self.pool, "runs_done", **row, **end, revision=1, seq=1, priority=5)
        for table, columns in belongings(run, retention).items():
            await plant(self.pool, table, **columns)
        return run

    async def known(self, run: UUID) -> set[str]:
        """The tables in which something is known of a run."""
        keys = {"runs": "id", "runs_done": "id", **dict.fromkeys(ENDED - {"runs_done"}, "run")}
        return {
            table
            for table, key in keys.items()
            if await self.pool.fetchval(f"select exists (select from {table} where {key} = $1)", run)
        }

    async def tables(self, ago: int, retention: str = "standard") -> set[str]:
        """Which of a day's tables there are."""
        first = (NOW - timedelta(days=ago)).date()
        kept = await self.rows.kept()
        return {one.base for one in kept.partitions if one.first == first and one.retention == retention}


@pytest.fixture
async def shelf(postgres_db: Database) -> AsyncIterator[Shelf]:
    pool = await open_pool(postgres_db.superuser, size=3, application="test")
    orchestrator = await open_pool(postgres_db.orchestrator, size=3, application="test")
    gateway = await open_pool(postgres_db.gateway, size=1, application="test")
    yield Shelf(pool, orchestrator, gateway)
    for one in (pool, orchestrator, gateway):
        await one.close()


ENDED = {"runs_done", "history", "run_attributes", "dead_letters", "recorded_inputs", "started_effects"}
LIVE = ENDED - {"runs_done"} | {"runs"}


async def test_a_day_that_was_kept_long_enough_goes_with_all_that_belongs_to_it(shelf: Shelf):
    for ago in (31, 30):
        await shelf.day(ago)
    old, young = await shelf.run(31, ended=31), await shelf.run(30, ended=30)
    assert await shelf.known(old) == ENDED
    assert not await shelf.retention.keep()
    assert (await shelf.known(old), await shelf.tables(31)) == (set(), set())
    assert (await shelf.known(young), await shelf.tables(30)) == (ENDED, set(BASES))


async def test_today_and_the_week_ahead_have_their_tables(shelf: Shelf):
    await shelf.retention.keep()
    for ahead in range(8):
        assert await shelf.tables(-ahead) == set(BASES)


async def test_a_run_that_goes_on_holds_its_day_and_the_others_go_one_by_one(shelf: Shelf):
    await shelf.day(40)
    live, late = await shelf.run(40, ended=None), await shelf.run(40, ended=2)
    old = [await shelf.run(40, ended=39) for _ in range(3)]
    await shelf.retention.keep()
    assert await shelf.tables(40) == set(BASES)
    assert (await shelf.known(live), await shelf.known(late)) == (LIVE, ENDED)
    assert [await shelf.known(run) for run in old] == [set()] * 3


async def test_what_lies_in_no_partition_is_forgotten_one_by_one(shelf: Shelf):
    old, late, live = (
        await shelf.run(90, ended=50),
        await shelf.run(90, ended=3),
        await shelf.run(90, ended=None),
    )
    await shelf.retention.keep()
    assert [await shelf.known(run) for run in (old, late, live)] == [set(), ENDED, LIVE]


async def test_the_default_is_a_setting_and_holds_for_runs_there_are(shelf: Shelf):
    await shelf.day(31)
    run = await shelf.run(31, ended=31)
    longer = Retention(shelf.rows, 60)
    await longer.keep()
    assert await shelf.known(run) == ENDED
    await shelf.retention.keep()
    assert await shelf.known(run) == set()


async def test_classes_are_kept_apart(shelf: Shelf):
    assert await shelf.gateway.fetchval("select make_retention_class(7)") == "d7"
    for base in BASES:
        await shelf.gateway.execute("select make_retention_table($1, 'd7')", base)
    await shelf.day(9, "d7")
    week, month = await shelf.run(9, ended=9, retention="d7"), await shelf.run(9, ended=9)
    await shelf.retention.keep()
    assert (await shelf.known(week), await shelf.known(month)) == (set(), ENDED)
    assert await shelf.tables(9, "d7") == set()
    assert await shelf.tables(0, "d7") == await shelf.tables(-7, "d7") == set(BASES)


async def test_a_day_that_somebody_reads_goes_later_and_nobody_waits(shelf: Shelf):
    await shelf.day(31)
    run = await shelf.run(31, ended=31)
    async with shelf.pool.acquire() as reader, reader.transaction():
        await reader.fetch("select * from runs_done where id = $1", run)
        async with asyncio.timeout(10):
            await shelf.retention.keep()
            assert await shelf.known(run) >= {"runs_done"}
    await shelf.retention.keep()
    assert (await shelf.known(run), await shelf.tables(31)) == (set(), set())


async def test_a_run_that_is_taken_up_again_at_this_moment_keeps_its_history(shelf: Shelf):
    await shelf.day(31)
    run = await shelf.run(31, ended=31, status="faulted")
    first = (NOW - timedelta(days=31)).date()
    day = Partition("runs_done", "standard", first, first + timedelta(days=1))
    await overwrite(shelf.pool, "runs_done", {"id": run}, resume=b"{}")
    retry = {"key": "retry:1", "tenant": "default", "kind": "retry", "body": b'{"actor":"t"}'}
    await plant(shelf.pool, "inbox", run=run, **retry)
    async with shelf.pool.acquire() as reviver, reviver.transaction():
        assert (await revive(reviver, [run])).live == [run]
        with pytest.raises(Fault, match="lock timeout"):
            await shelf.rows.drop(STANDARD, day)
    assert not await shelf.rows.drop(STANDARD, day)
    await shelf.retention.keep()
    assert await shelf.known(run) == LIVE


async def test_two_orchestrators_at_once_do_it_once(shelf: Shelf):
    for ago in (33, 32, 31):
        await shelf.day(ago)
    runs = [await shelf.run(ago, ended=ago) for ago in (33, 32, 31)]
    other = Retention(PostgresRetention(shelf.orchestrator), 30)
    await asyncio.gather(shelf.retention.keep(), other.keep())
    await shelf.retention.keep()
    assert [await shelf.known(run) for run in runs] == [set()] * 3


async def test_rows_that_stand_in_the_way_of_a_partition_stay_where_they_are(shelf: Shelf):
    today = NOW.date()
    for base in BASES:
        await shelf.pool.execute(f"drop table {base}_standard_{today:%Y%m%d}")
    run = await shelf.run(0, ended=0)
    await shelf.retention.keep()
    assert await shelf.known(run) == ENDED
    assert await shelf.tables(-1) == set(BASES)


FAIL = """
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
create trigger refused before delete on runs_done_d7_rest for each row execute function refuse();
create view looked_at as select * from run_attributes_d7_{day:%Y%m%d};
"""


async def test_a_class_whose_rows_and_tables_cannot_go_keeps_no_other_waiting(shelf: Shelf):
    """Rows that a trigger of the operator holds, and a table that a view of the operator needs."""
    assert await shelf.gateway.fetchval("select make_retention_class(7)") == "d7"
    for base in BASES:
        await shelf.gateway.execute("select make_retention_table($1, 'd7')", base)
    for ago in (40, 41):
        await shelf.day(ago)
        await shelf.day(ago, "d7")
    await shelf.pool.execute(FAIL.format(day=(NOW - timedelta(days=41)).date()))
    held = await shelf.run(90, ended=60, retention="d7")
    gone = [await shelf.run(90, ended=60), await shelf.run(40, ended=40), await shelf.run(41, ended=41)]
    gone += [await shelf.run(ago, ended=ago, retention="d7") for ago in (40, 41)]
    with pytest.raises(Fault, match="refused"):
        await shelf.retention.keep()
    assert await shelf.known(held) == ENDED
    assert [await shelf.known(run) - {"run_attributes"} for run in gone] == [set()] * 5
    for ago in (40, 41):
        assert await shelf.tables(ago) == set()
    assert await shelf.tables(40, "d7") == set()
    assert await shelf.tables(41, "d7") == {"run_attributes"}
    assert await shelf.tables(0, "d7") == await shelf.tables(0) == set(BASES)


async def test_a_table_that_cannot_be_made_keeps_no_other_from_being_made(shelf: Shelf):
    """A partition of the operator holds half of a day to come."""
    day = NOW.date() + timedelta(days=7)
    first = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    ids = [UUID(int=ms << 80) for ms in (first, first + 12 * 3_600_000)]
    await shelf.pool.execute(
        f"drop table if exists {RUNS}_standard_{day:%Y%m%d};"
        f" create table half partition of {RUNS}_standard for values from ('{ids[0]}') to ('{ids[1]}')"
    )
    with pytest.raises(Fault):
        await shelf.retention.keep()
    assert await shelf.tables(-7) >= {"history", "run_attributes"}
    assert await shelf.tables(-6) == set(BASES)


@pytest.mark.parametrize(
    "call",
    [
        "select make_partition('tenants', 'standard', '2020-01-01', '2020-01-02')",
        "select drop_partition('runs_done', 'standard; drop table runs', '2020-01-01')",
        "select make_retention_class(7)",
        "select make_retention_table('runs_done', 'd7')",
    ],
)
async def test_the_orchestrator_can_make_and_drop_no_other_tables(shelf: Shelf, call: str):
    with pytest.raises(Fault), pg_faults():
        await shelf.orchestrator.fetchval(call)


async def test_a_child_lies_where_the_policy_of_its_own_namespace_says(stack: Stack):
    pool = stack.gateway.pool
    await stack.gateway.deploy("child", "do: [{s: {set: {done: true}}}]")
    call = "{run: {workflow: {namespace: test, name: child, version: latest}}}"
    await stack.gateway.deploy("parent", f"do: [{{sub: {call}}}]")
    async with stack.orchestrator():
        before = await stack.gateway.start("parent")
        await stack.gateway.ended(before)
        await stack.gateway.rows.keep("default", "test", 7)
        run = await stack.gateway.start("parent")
        await stack.gateway.ended(run)
    told = {parent: await pool.fetchrow(OF_CHILD, parent) for parent in (before, run)}
    assert [(row["retention"], row["table"]) for row in told.values() if row is not None] == [
        ("standard", f"runs_done_standard_{NOW:%Y%m%d}"),
        ("d7", f"runs_done_d7_{NOW:%Y%m%d}"),
    ]
