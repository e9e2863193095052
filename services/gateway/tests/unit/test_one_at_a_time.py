"""Each tenant has one piece of work done at a time."""

import asyncio

from visapi_gateway.kernel.one_at_a_time import OneAtATime


async def test_work_of_one_tenant_follows_in_order_and_that_of_others_does_not_wait() -> None:
    locks, seen = OneAtATime(), list[str]()
    release = asyncio.Event()

    async def work(tenant: str, name: str) -> None:
        async with locks.of(tenant):
            seen.append(name)
            if tenant == "busy":
                await release.wait()

    async with asyncio.TaskGroup() as group:
        for name in ("first", "second"):
            group.create_task(work("busy", name))
        await group.create_task(work("other", "another's"))
        assert seen == ["first", "another's"]
        release.set()
    assert seen == ["first", "another's", "second"]


async def test_who_gives_up_waiting_keeps_nobody_from_the_turn() -> None:
    locks = OneAtATime()

    async def work() -> None:
        async with locks.of("t"):
            return

    async with locks.of("t"):
        waits = asyncio.create_task(work())
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.wait([waits])
        assert waits.cancelled()
    async with asyncio.timeout(1):
        await work()
