"""Followers of a run: woken by live messages, correct without them."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

import msgspec
import pytest

from kit.fakes.clocks import in_no_time
from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.tables import TENANT
from kit.fakes.gateway.world import FakeWorld
from kit.fakes.payloads import FakePayloads
from visapi_common.contracts.engine_messages import LiveUpdate
from visapi_common.contracts.subjects import live
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_gateway.runs.reading.follow import PING_S, READ_ROWS, FollowRun
from visapi_gateway.runs.reading.live import CHECK_S, POLL_S, LiveHub
from visapi_gateway.runs.reading.whole_items import WholeItems


class Following:
    """One run, and what follows it. `connected`: live messages can arrive."""

    def __init__(self) -> None:
        self.world = FakeWorld()
        self.runs = FakeRuns(self.world.tables)
        self.connected = True
        self.hub = LiveHub(lambda: self.connected)
        self.follow = FollowRun(self.runs, self.hub, WholeItems(FakePayloads().unpack))
        self.run = UUID(int=0)

    async def begun(self, items: int = 2) -> "Following":
        self.run = await self.world.run(TENANT)
        await self.world.advance(self.run, items)
        return self

    async def advance(self, items: int, status: str = "running", *, announced: bool = True) -> None:
        await self.world.advance(self.run, items, status=status)
        if announced:
            update = LiveUpdate(self.run, 0, status)
            self.hub.receive(live(TENANT, self.run), msgspec.json.encode(update))

    def stream(self, after: int = 0) -> AsyncGenerator[bytes, None]:
        return self.follow.stream(TENANT, self.run, after)


def ids(chunks: list[bytes]) -> list[int]:
    lines = b"".join(chunks).splitlines()
    return [int(line[4:]) for line in lines if line.startswith(b"id: ")]


async def rest_of(stream: AsyncGenerator[bytes, None]) -> list[bytes]:
    return [chunk async for chunk in stream]


@in_no_time
async def test_a_stream_shows_each_item_once_and_ends_with_the_run():
    following = await Following().begun()
    showing = asyncio.create_task(rest_of(following.stream()))
    await asyncio.sleep(0.1)
    await following.advance(2)
    await asyncio.sleep(0.1)
    await following.advance(1, "completed")
    chunks = await showing
    assert ids(chunks) == [1, 2, 3, 4, 5]
    assert b"completed" in chunks[-1]


@in_no_time
async def test_a_stream_goes_on_after_the_item_that_its_client_has_seen():
    following = await Following().begun(5)
    await following.advance(1, "completed")
    assert ids(await rest_of(following.stream(after=4))) == [5, 6]


@in_no_time
async def test_an_end_that_was_not_announced_is_found_by_polling():
    for connected, patience in ((True, CHECK_S), (False, POLL_S)):
        following = await Following().begun()
        following.connected = connected
        showing = asyncio.create_task(rest_of(following.stream()))
        await asyncio.sleep(0.1)
        await following.advance(1, "completed", announced=False)
        async with asyncio.timeout(patience + 0.1):
            assert ids(await showing) == [1, 2, 3]


@in_no_time
async def test_a_reconnection_wakes_every_follower():
    following = await Following().begun()
    showing = asyncio.create_task(rest_of(following.stream()))
    await asyncio.sleep(0.1)
    await following.advance(1, "completed", announced=False)
    following.hub.connection_changed()
    async with asyncio.timeout(0.1):
        assert ids(await showing) == [1, 2, 3]


@in_no_time
async def test_a_silent_stream_says_that_it_lives():
    stream = (await Following().begun(0)).stream()
    await anext(stream)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await anext(stream)).startswith(b":")
    assert loop.time() - began == pytest.approx(PING_S, abs=CHECK_S)
    await stream.aclose()


@in_no_time
async def test_a_faulted_run_whose_retry_waits_has_not_ended_for_its_followers():
    following = await Following().begun()
    await following.advance(1, "faulted")
    await following.world.retry(following.run)
    showing = asyncio.create_task(rest_of(following.stream()))
    await asyncio.sleep(60)
    assert not showing.done()
    following.hub.close()
    assert ids(await showing) == [1, 2, 3]


@in_no_time
async def test_a_stopping_replica_asks_its_followers_to_come_again():
    following = await Following().begun()
    showing = asyncio.create_task(rest_of(following.stream()))
    await asyncio.sleep(0.1)
    following.hub.close()
    assert (await showing)[-1].startswith(b"retry: ")


@in_no_time
async def test_a_stream_ends_with_the_fault_of_the_database():
    following = await Following().begun()
    following.runs.faults.plan("head", TransientFault("away"))
    with pytest.raises(TransientFault):
        await rest_of(following.stream())


@in_no_time
async def test_pages_hold_as_many_items_as_asked_for_and_say_where_they_go_on():
    following = await Following().begun(2)
    for _ in range(READ_ROWS + 1):
        await following.advance(2)
    first, more = await following.follow.page(TENANT, following.run, 0, 3)
    assert ([seq for seq, _ in first], more) == ([1, 2, 3], 3)
    everything, more = await following.follow.page(TENANT, following.run, 0, 1000)
    assert ([seq for seq, _ in everything], more) == (list(range(1, 2 * READ_ROWS + 5)), None)
    assert await following.follow.page(TENANT, following.run, 9999, 10) == ([], None)
    with pytest.raises(ProblemError, match="there is no run"):
        await following.follow.page("other", following.run, 0, 10)


@in_no_time
async def test_who_waits_for_the_end_reads_the_run_only_when_something_may_have_ended():
    following = await Following().begun()
    waiting = asyncio.create_task(following.follow.wait_for_end(TENANT, following.run, 60, fresh=True))
    await asyncio.sleep(0.1)
    await following.advance(1)
    await asyncio.sleep(0.1)
    assert (waiting.done(), following.runs.reads) == (False, 0)
    await following.advance(1, "completed")
    async with asyncio.timeout(0.1):
        await waiting
    assert following.runs.reads == 0


@in_no_time
async def test_a_wait_ends_in_time_and_finds_an_end_that_was_not_announced():
    following = await Following().begun()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await following.follow.wait_for_end(TENANT, following.run, 7, fresh=False)
    assert loop.time() - began == pytest.approx(7)
    waiting = asyncio.create_task(following.follow.wait_for_end(TENANT, following.run, 60, fresh=False))
    await asyncio.sleep(0.1)
    await following.advance(1, "completed", announced=False)
    async with asyncio.timeout(CHECK_S + 0.1):
        await waiting
