"""Followers of all runs of a tenant, on one reader: nothing lost, nothing twice, nobody in another's way."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.fakes.clocks import FakeClock, in_no_time
from kit.fakes.gateway.changes import FakeChanges
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.subjects import live
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.kernel.access.restrictions import Restrictions
from visapi_gateway.runs.changes.follower import PAGES_MAX, Listing
from visapi_gateway.runs.changes.reader import CHANGES_MAX, REST_S, ChangeReader
from visapi_gateway.runs.changes.rereading import Reread
from visapi_gateway.runs.changes.rules.changes import Wanted
from visapi_gateway.runs.changes.rules.positions import KEEP_S, NO_RUN, Position
from visapi_gateway.runs.changes.service import FOLLOWERS_OF_TENANT, FollowRuns
from visapi_gateway.runs.reading.live import CHECK_S, LiveHub

STARTED = "workflow.started"
MINE, OTHER = "mine", "other"


def numbered(number: int) -> UUID:
    return UUID(int=number)


class Stage:
    """One gateway's followers of all runs."""

    def __init__(self) -> None:
        self.source, self.clock = FakeChanges(), FakeClock()
        self.hub = LiveHub(lambda: True)
        self.reader = ChangeReader(self.source, self.hub, self.clock, open_metrics())
        self.follow = FollowRuns(self.reader, Reread(self.source, self.clock), self.hub, self.clock)

    def put(self, *numbers: int, tenant: str = MINE, announced: bool = True) -> None:
        """Runs start, each in a transaction of its own."""
        for number in numbers:
            self.source.put(tenant, numbered(number), STARTED)
        if announced:
            self.announce(tenant)

    def announce(self, tenant: str = MINE) -> None:
        self.hub.receive(live(tenant, numbered(1)), b"")

    def stream(
        self, tenant: str = MINE, after: Position | None = None, *, lost: bool = False, **wanted: Any
    ) -> AsyncGenerator[bytes, None]:
        listing = Listing(f"{tenant}{wanted}", Wanted(tenant, **wanted), str)
        return self.follow.stream(listing, after, lost=lost)


class Client:
    """Reads a stream until it is told to stop."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self.events: list[str] = []
        self.runs: list[int] = []
        self.position: Position | None = None
        self._stream = stream
        self._reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        async for chunk in self._stream:
            for event in chunk.decode().split("\n\n"):
                self._take(event)

    def _take(self, event: str) -> None:
        fields = dict(line.split(": ", 1) for line in event.splitlines() if not line.startswith(":"))
        if "id" in fields:
            self.position = Position.read(fields["id"])
        if "data" in fields:
            self.events.append(fields.get("event", "message"))
            change = msgspec.json.decode(fields["data"])
            self.runs += [UUID(change["run"]).int] if "run" in change else []

    async def leave(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def reading(stage: Stage, *streams: AsyncGenerator[bytes, None]) -> AsyncIterator[list[Client]]:
    """The reader and these clients, who have all begun."""
    clients = [Client(stream) for stream in streams]
    tasks = [asyncio.create_task(stage.reader.run()), *(asyncio.create_task(one.read()) for one in clients)]
    await asyncio.sleep(1)
    try:
        yield clients
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@in_no_time
async def test_each_follower_gets_each_change_once_and_one_reader_reads_for_all():
    stage = Stage()
    async with reading(stage, stage.stream(), stage.stream(), stage.stream(OTHER)) as clients:
        stage.put(1, 2)
        stage.put(3, tenant=OTHER)
        await asyncio.sleep(1)
        stage.put(4)
        await asyncio.sleep(1)
        assert [client.runs for client in clients] == [[1, 2, 4], [1, 2, 4], [3]]
        assert [client.events[0] for client in clients] == ["begin"] * 3
        assert stage.source.rows_read == 4


@in_no_time
async def test_nothing_is_read_while_nobody_follows_and_reads_rest_between_announcements():
    stage = Stage()
    async with reading(stage):
        stage.put(1)
        await asyncio.sleep(60)
        assert stage.source.faults.entered.total() == 0
    async with reading(stage, stage.stream()):
        before = stage.source.faults.entered.total()
        for number in range(1000):
            stage.put(number)
            await asyncio.sleep(0.01)
        assert stage.source.faults.entered.total() - before <= 10 / REST_S + 1


@in_no_time
async def test_what_an_older_transaction_may_precede_waits_for_its_end_and_then_comes_first():
    stage = Stage()
    async with reading(stage, stage.stream()) as [client]:
        slow = stage.source.begin_transaction()
        stage.put(2, 3)
        await asyncio.sleep(20)
        assert client.runs == []
        stage.source.put(MINE, numbered(1), STARTED, transaction=slow)
        stage.source.commit(slow)
        await asyncio.sleep(1)
        assert client.runs == [1, 2, 3]


@in_no_time
async def test_a_tenant_that_is_followed_while_a_page_is_read_loses_nothing():
    stage = Stage()
    async with reading(stage, stage.stream(OTHER)):
        stage.source.faults.hold("changes")
        before = Position(stage.source.next, NO_RUN, 0, int(stage.clock.now().timestamp()))
        stage.put(1, announced=False)
        stage.put(9, tenant=OTHER)
        await asyncio.sleep(1)
        late = Client(stage.stream(after=before))
        task = asyncio.create_task(late.read())
        await asyncio.sleep(1)
        stage.put(2)
        stage.source.faults.let_go("changes")
        await asyncio.sleep(1)
        stage.put(3)
        await asyncio.sleep(1)
        assert (set(late.events), late.runs) == ({"message"}, [1, 2, 3])
        task.cancel()


@in_no_time
async def test_a_client_that_comes_back_goes_on_where_it_was():
    stage = Stage()
    async with reading(stage, stage.stream()) as [first]:
        stage.put(1, 2)
        await asyncio.sleep(1)
    stage.put(3)
    async with reading(stage, stage.stream(after=first.position)) as [second]:
        stage.put(4)
        await asyncio.sleep(1)
        assert (first.runs, second.runs) == ([1, 2], [3, 4])
        assert set(second.events) == {"message"}


@in_no_time
async def test_a_position_within_a_row_shows_only_what_comes_after_it():
    stage = Stage()
    async with reading(stage, stage.stream()) as [client]:
        stage.source.put(MINE, numbered(1), STARTED, "workflow.suspended", "workflow.resumed")
        stage.announce()
        await asyncio.sleep(1)
        within = Position(1000, str(numbered(1)), 2, int(stage.clock.now().timestamp()))
        async with reading(stage, stage.stream(after=within)) as [again]:
            assert (client.runs, again.runs) == ([1, 1, 1], [1])


@in_no_time
async def test_thirty_thousand_changes_of_one_tenant_hold_up_no_other_and_stay_bounded():
    stage = Stage()
    async with reading(stage, stage.stream("greedy"), stage.stream()) as [greedy, modest]:
        run = numbered(7)
        for _ in range(3):
            for number in range(10_000):
                stage.source.put("greedy", run, STARTED, first_seq=number + 1)
            stage.put(len(modest.runs) + 1)
            await asyncio.sleep(2)
        assert modest.runs == [1, 2, 3]
        assert len(greedy.runs) == 30_000
        assert stage.reader.held <= CHANGES_MAX


@in_no_time
async def test_a_follower_that_the_ring_has_left_behind_reads_alone_and_loses_nothing():
    stage = Stage()
    stream = stage.stream()
    async with reading(stage, stage.stream(OTHER)):
        chunks = [await anext(stream), await anext(stream)]
        assert b"begin" in chunks[1]
        for number in range(CHANGES_MAX + 500):
            stage.source.put(MINE, numbered(number), STARTED)
        stage.announce()
        await asyncio.sleep(60)
        slow = Client(stream)
        task = asyncio.create_task(slow.read())
        await asyncio.sleep(60)
        stage.put(CHANGES_MAX + 500)
        await asyncio.sleep(1)
        assert slow.runs == list(range(CHANGES_MAX + 501))
        task.cancel()


@in_no_time
async def test_a_position_that_is_too_old_or_of_another_database_or_foreign_is_reset():
    stage = Stage()
    stage.put(1)
    now = int(stage.clock.now().timestamp())
    old = Position(1000, NO_RUN, 0, now - KEEP_S - 1)
    ahead = Position(stage.source.next + 5, NO_RUN, 0, now)
    streams = (stage.stream(after=old), stage.stream(after=ahead), stage.stream(lost=True))
    async with reading(stage, *streams) as clients:
        stage.put(2)
        await asyncio.sleep(1)
        assert [(client.events, client.runs) for client in clients] == [(["reset", "message"], [2])] * 3


@in_no_time
async def test_a_restore_of_the_database_resets_who_follows_and_who_comes_back():
    stage = Stage()
    async with reading(stage, stage.stream()) as [client]:
        stage.put(1, 2, 3)
        await asyncio.sleep(1)
        before = Position(1001, NO_RUN, 0, int(stage.clock.now().timestamp()))
        stage.clock.now_s += 10
        stage.source.put_back(1001, stage.clock.now().timestamp())
        stage.put(4, 5, 6, 7, 8)
        await asyncio.sleep(5)
        stage.put(9)
        await asyncio.sleep(1)
        assert client.events.count("reset") == 1
        assert client.runs[-1] == 9
        late = Client(stage.stream(after=before))
        task = asyncio.create_task(late.read())
        await asyncio.sleep(1)
        assert late.events == ["reset"]
        task.cancel()


@in_no_time
async def test_followers_outlive_a_database_that_is_away_and_rows_that_cannot_be_read():
    stage = Stage()
    async with reading(stage, stage.stream()) as [client]:
        stage.source.faults.plan("changes", *[TransientFault("away")] * 5)
        stage.put(1)
        stage.source.damage(MINE, numbered(2))
        stage.put(3)
        await asyncio.sleep(20)
        assert client.runs == [1, 3]


@in_no_time
async def test_a_follower_gets_what_it_wants_and_what_its_key_sees():
    stage = Stage()
    limited = Restrictions(frozenset(["test/flow"]))
    streams = (
        stage.stream(limits=limited),
        stage.stream(namespace="test", name="refund"),
        stage.stream(types=frozenset(["workflow.completed"])),
        stage.stream(test=True),
    )
    async with reading(stage, *streams) as clients:
        refund = WorkflowRef("test", "refund", "1.0.0")
        stage.source.put(MINE, numbered(1), STARTED, "task.created", "workflow.completed")
        stage.source.put(MINE, numbered(2), STARTED, workflow=refund, test=True)
        stage.announce()
        await asyncio.sleep(1)
        assert [client.runs for client in clients] == [[1, 1], [2], [1], [2]]


@in_no_time
async def test_a_silent_stream_says_that_it_lives_and_where_it_is():
    stage = Stage()
    async with reading(stage, stage.stream()) as [client]:
        begun = client.position
        stage.clock.now_s += 30
        await asyncio.sleep(30)
        assert begun is not None
        assert client.position is not None
        assert client.position.time - begun.time == pytest.approx(30, abs=CHECK_S)


@in_no_time
async def test_a_tenant_has_so_many_followers_and_a_place_is_free_once_one_leaves():
    stage = Stage()
    async with reading(stage, *(stage.stream() for _ in range(FOLLOWERS_OF_TENANT))):
        with pytest.raises(ProblemError, match="as many clients"):
            stage.follow.check_room(MINE)
        stage.follow.check_room(OTHER)
        turned_away = [chunk async for chunk in stage.stream()]
        assert all(chunk.startswith(b"retry: ") for chunk in turned_away)
    stage.follow.check_room(MINE)


@in_no_time
async def test_a_stopping_replica_asks_its_followers_to_come_again():
    stage = Stage()
    async with reading(stage, stage.stream()) as [client]:
        task = asyncio.create_task(Client(stage.stream()).read())
        await asyncio.sleep(1)
        stage.hub.close()
        async with asyncio.timeout(0.1):
            await task
        assert client.events == ["begin"]


@in_no_time
async def test_who_is_too_far_behind_is_reset_after_a_bounded_number_of_pages():
    stage = Stage()
    here = Position(stage.source.next, NO_RUN, 0, int(stage.clock.now().timestamp()))
    stage.source.page_rows = 1
    stage.put(*range(PAGES_MAX + 5))
    async with reading(stage, stage.stream(after=here)) as [client]:
        await asyncio.sleep(PAGES_MAX)
        assert (client.events[-1], client.runs) == ("reset", list(range(PAGES_MAX)))
