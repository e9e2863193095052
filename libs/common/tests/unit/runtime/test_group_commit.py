"""Group commit: everything that waits goes together, nobody waits to fill, nobody is failed by a neighbour."""

import asyncio
from collections.abc import Mapping

import pytest

from visapi_common.core.errors import ContentFault, Fault, PermanentFault, TransientFault
from visapi_common.runtime.group_commit import BATCH_MAX, GroupCommit


class Store:
    """Takes batches when the test lets it."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.bad: set[str] = set()
        self.down = False

    async def write(self, batch: Mapping[str, int]) -> Mapping[str, int]:
        self.batches.append(dict(batch))
        await self.gate.wait()
        if self.down:
            raise TransientFault("down")
        if self.bad & batch.keys():
            raise PermanentFault("bad row")
        return {key: value * 10 for key, value in batch.items()}


async def test_what_waits_while_a_batch_is_written_goes_together_in_the_next() -> None:
    store = Store()
    store.gate.clear()
    commits = GroupCommit(store.write)
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(commits.run())
        first = group.create_task(commits.submit("a", 1))
        while not store.batches:
            await asyncio.sleep(0)
        rest = [group.create_task(commits.submit(key, number)) for number, key in enumerate("bcd", 2)]
        await asyncio.sleep(0)
        store.gate.set()
        assert [await task for task in (first, *rest)] == [10, 20, 30, 40]
        runner.cancel()
    assert store.batches == [{"a": 1}, {"b": 2, "c": 3, "d": 4}]


async def test_one_key_is_never_twice_in_a_batch() -> None:
    store = Store()
    commits = GroupCommit(store.write)
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(commits.submit("a", number)) for number in (1, 2, 3)]
        runner = group.create_task(commits.run())
        assert [await answer for answer in answers] == [10, 20, 30]
        runner.cancel()
    assert store.batches == [{"a": 1}, {"a": 2}, {"a": 3}]


async def test_callers_who_left_are_not_written() -> None:
    store = Store()
    commits = GroupCommit(store.write)
    gone, stays = (asyncio.ensure_future(commits.submit(key, 1)) for key in "ab")
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(commits.run())
        assert await stays == 10
        runner.cancel()
    assert store.batches == [{"b": 1}]


async def test_lanes_write_at_once() -> None:
    store = Store()
    store.gate.clear()
    commits = GroupCommit(store.write, lanes=2)
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(commits.run())
        answers = list[asyncio.Task[int]]()
        for number, key in enumerate("ab", 1):
            answers.append(group.create_task(commits.submit(key, 1)))
            while len(store.batches) < number:
                await asyncio.sleep(0)
        store.gate.set()
        assert [await answer for answer in answers] == [10, 10]
        runner.cancel()


async def test_an_item_with_a_fault_of_its_own_fails_alone() -> None:
    async def write(batch: Mapping[str, int]) -> Mapping[str, int | Fault]:
        return {"a": 1, "b": PermanentFault("taken")}

    commits = GroupCommit(write)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_caught(commits.submit(key, 1))) for key in "abc"]
        runner = group.create_task(commits.run())
        taken, lone, unanswered = [await task for task in tasks]
        runner.cancel()
    assert taken == 1
    assert isinstance(lone, PermanentFault)
    assert isinstance(unanswered, ContentFault)


async def test_after_close_the_waiting_items_are_written_and_new_ones_refused() -> None:
    store = Store()
    commits = GroupCommit(store.write)
    waiting = [asyncio.ensure_future(commits.submit(str(number), number)) for number in range(BATCH_MAX + 1)]
    await asyncio.sleep(0)
    commits.close()
    with pytest.raises(TransientFault):
        await commits.submit("late", 1)
    await commits.run()
    assert await asyncio.gather(*waiting) == [number * 10 for number in range(BATCH_MAX + 1)]
    assert [len(batch) for batch in store.batches] == [BATCH_MAX, 1]


async def test_nobody_waits_for_ever_when_writing_is_cancelled() -> None:
    store = Store()
    store.gate.clear()
    commits = GroupCommit(store.write)
    waiting = [asyncio.ensure_future(commits.submit("a", number)) for number in range(2)]
    runner = asyncio.create_task(commits.run())
    while not store.batches:
        await asyncio.sleep(0)
    runner.cancel()
    assert all(
        isinstance(answer, asyncio.CancelledError)
        for answer in await asyncio.gather(*waiting, return_exceptions=True)
    )
    with pytest.raises(TransientFault):
        await commits.submit("b", 1)


async def test_a_batch_is_bounded_by_the_weight_of_its_items_in_their_order() -> None:
    store = Store()
    commits = GroupCommit(store.write, weigh=lambda number: number, weight_max=10)
    async with asyncio.TaskGroup() as group:
        answers = [
            group.create_task(commits.submit(key, weight))
            for key, weight in (("a", 4), ("b", 6), ("c", 25), ("d", 9), ("e", 2), ("f", 1))
        ]
        runner = group.create_task(commits.run())
        for answer in answers:
            await answer
        runner.cancel()
    assert [list(batch) for batch in store.batches] == [["a", "b"], ["c"], ["d"], ["e", "f"]]


async def test_draining_ends_when_nothing_waits() -> None:
    store = Store()
    commits = GroupCommit(store.write)
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(commits.submit(key, 1)) for key in "ab"]
        await asyncio.sleep(0)
        await commits.drain()
        assert [await answer for answer in answers] == [10, 10]
        await commits.drain()
    assert store.batches == [{"a": 1, "b": 1}]


async def test_nobody_waits_for_a_group_whose_draining_was_cancelled() -> None:
    store = Store()
    store.gate.clear()
    commits = GroupCommit(store.write)
    first = asyncio.create_task(commits.submit("a", 1))
    await asyncio.sleep(0)
    draining = asyncio.create_task(commits.drain())
    while not store.batches:
        await asyncio.sleep(0)
    second = asyncio.create_task(commits.submit("b", 1))
    await asyncio.sleep(0)
    draining.cancel()
    results = await asyncio.gather(first, second, draining, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 3


async def test_one_bad_row_fails_alone() -> None:
    store = Store()
    store.bad = {"b"}
    commits = GroupCommit(store.write)
    async with asyncio.TaskGroup() as group:
        tasks = {key: group.create_task(_caught(commits.submit(key, 1))) for key in "abc"}
        runner = group.create_task(commits.run())
        results = {key: await task for key, task in tasks.items()}
        runner.cancel()
    assert results["a"] == results["c"] == 10
    assert isinstance(results["b"], PermanentFault)


async def test_a_store_that_is_down_fails_the_batch_and_serves_the_next() -> None:
    store = Store()
    store.down = True
    commits = GroupCommit(store.write)
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(commits.run())
        with pytest.raises(TransientFault):
            await commits.submit("a", 1)
        store.down = False
        assert await commits.submit("a", 1) == 10
        runner.cancel()


async def _caught(work: "asyncio.Future[int] | object") -> object:
    try:
        return await work  # type: ignore[misc]
    except PermanentFault as fault:
        return fault
