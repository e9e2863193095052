"""Flow control against a model: whatever is asked, ended, rolled back, abandoned or raced, on a real PostgreSQL.

The model knows who holds a slot and who waits, in memory and one after the other. After every step the
tables must say the same; what a crash rolled back must have changed nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.ledger_rows import lose, plant
from kit.servers import Database
from visapi_common.adapters.pool import Connection, Pool, open_pool
from visapi_common.core.ids import uuid7_from
from visapi_engine.machine.state import Admission
from visapi_orchestrator.transitions.rules.flow import FlowDecision, SlotRelease, SlotRequest
from visapi_orchestrator.transitions.store import flow

TENANT, SCOPE = "default", "test/limited"
KEYS = {"a": (1, "queue"), "b": (2, "queue"), "c": (1, "reject"), "d": (2, "cancel-oldest")}
LIVE = {"namespace": "test", "name": "limited", "version": "1.0.0", "program": b"", "partition": 0}
TABLES = (
    "truncate visapi.runs, visapi.flow_slots, visapi.flow_waiting, visapi.rate_reservations, visapi.inbox"
)


async def live(pool: Pool, run: UUID, parent: UUID | None) -> None:
    more = {"tenant": TENANT, "input": b"", "started_by": "test", "parent": parent}
    await plant(pool, "runs", id=run, **LIVE, **more)


Story = list[tuple[str, object, bool]]


class Crash(Exception):
    """The process died before it committed."""


class Line:
    """The model: who waits, first come first, and who holds a slot."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[tuple[int, UUID]]] = {key: [] for key in KEYS}
        self.slots: dict[UUID, str] = {}
        self.inherited: dict[UUID, str] = {}
        self.cancelled: set[UUID] = set()
        self.parents: dict[UUID, UUID | None] = {}

    def copy(self) -> "Line":
        other = Line()
        other.waiting = {key: list(line) for key, line in self.waiting.items()}
        other.slots, other.inherited = dict(self.slots), dict(self.inherited)
        other.cancelled, other.parents = set(self.cancelled), dict(self.parents)
        return other

    def knows(self, run: UUID) -> bool:
        waits = any(run == one for line in self.waiting.values() for _, one in line)
        return waits or run in self.slots or run in self.inherited

    def holds(self, run: UUID) -> str | None:
        return self.slots.get(run) or self.inherited.get(run)

    def ancestors(self, run: UUID) -> Iterator[UUID]:
        """As far up as they are live; who is not holds nothing and waits for nothing."""
        above = self.parents.get(run)
        while above is not None and self.knows(above):
            yield above
            above = self.parents.get(above)

    def ask(self, asks: list[tuple[UUID, str, int, UUID | None]]) -> frozenset[UUID]:
        """Stand in line, be admitted; who was rejected."""
        for run, key, priority, parent in asks:
            if self.knows(run):
                continue
            self.parents[run] = parent
            if any(self.holds(ancestor) == key for ancestor in self.ancestors(run)):
                self.inherited[run] = key
            else:
                self.waiting[key].append((priority, run))
        for key in {key for _, key, _, _ in asks}:
            self.fill(key)
        rejected: set[UUID] = set()
        for run, key, _, _ in asks:
            still = [one for one in self.waiting[key] if one[1] == run]
            if still and KEYS[key][1] == "reject":
                self.waiting[key].remove(still[0])
                rejected.add(run)
        for key in {key for run, key, _, _ in asks if any(run == one for _, one in self.waiting[key])}:
            if KEYS[key][1] == "cancel-oldest":
                members = [run for run, held in self.slots.items() if held == key]
                members += [run for _, run in self.waiting[key]]
                self.cancelled |= set(sorted(members, reverse=True)[KEYS[key][0] :])
        return frozenset(rejected)

    def end(self, run: UUID, key: str) -> None:
        self.slots.pop(run, None)
        self.inherited.pop(run, None)
        self.waiting[key] = [one for one in self.waiting[key] if one[1] != run]
        self.fill(key)

    def fill(self, key: str) -> None:
        free = KEYS[key][0] - sum(held == key for held in self.slots.values())
        line = sorted(self.waiting[key], key=lambda one: -one[0])[: max(0, free)]
        for one in line:
            self.waiting[key].remove(one)
            self.slots[one[1]] = key


class World:
    """The tables, and the model beside them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.line = Line()
        self.asked: list[tuple[UUID, str, int, UUID | None]] = []
        self.live: set[UUID] = set()

    async def new(self, key: str, priority: int, parent: UUID | None = None) -> None:
        run = uuid7_from(1_700_000_000_000 + len(self.asked), len(self.asked))
        await live(self.pool, run, parent)
        self.live.add(run)
        self.asked.append((run, key, priority, parent))

    async def ask(self, asks: list[tuple[UUID, str, int, UUID | None]], *, crash: bool) -> None:
        after = self.line.copy()
        rejected = after.ask([ask for ask in asks if ask[0] in self.live])
        rows = [slot_request_of(*ask) for ask in asks]
        verdict = await self.commit(lambda connection: admit(connection, rows), crash=crash)
        if verdict is not None:
            self.line = after
            assert verdict.rejected == rejected
            assert verdict.waiting == {ask[0] for ask in asks if waits(after, ask)}
            for run in rejected:
                await lose(self.pool, "runs", id=run)
                self.live.discard(run)

    async def end(self, run: UUID, key: str, *, crash: bool) -> None:
        before = set(self.line.slots)
        after = self.line.copy()
        after.end(run, key)

        async def ended(connection: Connection) -> FlowDecision:
            leaves = [SlotRelease(run, TENANT, SCOPE, key)]
            await flow.lock(connection, [], leaves)
            await lose(connection, "runs", id=run)
            return FlowDecision(awake=await flow.release(connection, leaves))

        verdict = await self.commit(ended, crash=crash)
        if verdict is not None:
            self.line = after
            self.live.discard(run)
            assert verdict.awake == set(after.slots) - before, "who may begin now is told"

    async def abandon(self, run: UUID, key: str) -> None:
        """It vanishes without giving anything back; the sweep finds what it held."""
        await lose(self.pool, "runs", id=run)
        self.live.discard(run)
        before = set(self.line.slots)
        self.line.end(run, key)
        sweep = flow.PostgresFlow(self.pool)
        await sweep.tidy()
        assert set(await sweep.admit_waiting(await sweep.keys_with_room())) == set(self.line.slots) - before

    async def commit(
        self, work: Callable[[Connection], Awaitable[FlowDecision]], *, crash: bool
    ) -> FlowDecision | None:
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                verdict = await work(connection)
                if crash:
                    raise Crash
                return verdict
        except Crash:
            return None

    async def compare(self) -> None:
        slots = await self.pool.fetch("select run, key, inherited from flow_slots")
        waiting = await self.pool.fetch("select run, key from flow_waiting order by key, since, run")
        inbox = await self.pool.fetch("select run from inbox where key = 'concurrency'")
        assert {row["run"]: row["key"] for row in slots if not row["inherited"]} == self.line.slots
        assert {row["run"]: row["key"] for row in slots if row["inherited"]} == self.line.inherited
        lines = [(key, run) for key, line in sorted(self.line.waiting.items()) for _, run in line]
        assert [(row["key"], row["run"]) for row in waiting] == lines
        assert {row["run"] for row in inbox} == self.line.cancelled


def slot_request_of(run: UUID, key: str, priority: int, parent: UUID | None) -> SlotRequest:
    limit, on_limit = KEYS[key]
    admission = Admission(priority=priority, key=key, limit=limit, on_limit=on_limit)
    return SlotRequest(run, TENANT, SCOPE, admission, has_parent=parent is not None)


def waits(line: Line, ask: tuple[UUID, str, int, UUID | None]) -> bool:
    return any(ask[0] == run for _, run in line.waiting[ask[1]])


async def admit(connection: Connection, asks: list[SlotRequest]) -> FlowDecision:
    await flow.lock(connection, asks, [])
    return await flow.admit(connection, asks)


newcomers = st.lists(
    st.tuples(st.sampled_from(sorted(KEYS)), st.integers(0, 9), st.booleans()), min_size=1, max_size=4
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), newcomers, st.booleans()),
        st.tuples(st.just("again"), st.integers(0, 99), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 99), st.booleans()),
        st.tuples(st.just("abandon"), st.integers(0, 99), st.booleans()),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=steps)
def test_the_tables_say_what_the_model_says_whatever_happens(postgres_db: Database, story: Story):
    asyncio.run(tell(postgres_db.superuser, story))


async def tell(url: str, story: Story) -> None:
    pool = await open_pool(url, size=2, application="test")
    try:
        await pool.execute(TABLES)
        world = World(pool)
        for what, detail, crash in story:
            await happen(world, what, detail, crash=crash)
            await world.compare()
    finally:
        await pool.close()


async def happen(world: World, what: str, detail: object, *, crash: bool) -> None:
    if isinstance(detail, list):
        first = len(world.asked)
        holders = [run for run in (*world.line.slots, *world.line.inherited) if run in world.live]
        for key, priority, child in detail:
            await world.new(key, priority, holders[priority % len(holders)] if child and holders else None)
        await world.ask(world.asked[first:], crash=crash)
    elif world.asked and isinstance(detail, int):
        chosen = world.asked[detail % len(world.asked)]
        if what == "again":
            await world.ask([chosen], crash=crash)
        elif chosen[0] in world.live:
            run, key = chosen[:2]
            if what == "end":
                await world.end(run, key, crash=crash)
            else:
                await world.abandon(run, key)


RACERS = 4


async def test_racing_processes_never_give_a_slot_away_twice_and_forget_nobody(postgres_db: Database):
    pool = await open_pool(postgres_db.superuser, size=RACERS + 1, application="test")
    began: list[UUID] = []
    number = iter(range(10_000))

    async def finish(run: UUID, key: str) -> None:
        """The life of an admitted run, which lets in the next."""
        began.append(run)
        async with pool.acquire() as connection, connection.transaction():
            leaves = [SlotRelease(run, TENANT, SCOPE, key)]
            await flow.lock(connection, [], leaves)
            held = await connection.fetch(
                "select key, count(*) from flow_slots where not inherited group by key"
            )
            assert all(row["count"] <= KEYS[row["key"]][0] for row in held)
            await lose(connection, "runs", id=run)
            awake = await flow.release(connection, leaves)
        for one in awake:
            await finish(one, key)

    async def race(key: str) -> None:
        for _ in range(25):
            run = uuid7_from(1_700_000_000_000, next(number))
            await live(pool, run, None)
            async with pool.acquire() as connection, connection.transaction():
                verdict = await admit(connection, [slot_request_of(run, key, 5, None)])
            for one in (*verdict.awake, *([] if run in verdict.waiting else [run])):
                await finish(one, key)

    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as racers:
            for racer in range(RACERS):
                racers.create_task(race("ab"[racer % 2]))
        assert len(began) == len(set(began)) == RACERS * 25
        assert await pool.fetchval("select count(*) from flow_waiting") == 0
        assert await pool.fetchval("select count(*) from flow_slots") == 0
    finally:
        await pool.close()
