"""Posted events are committed together, tenant by tenant."""

import asyncio

import pytest

from kit.fakes.gateway.events import FakeEvents
from visapi_common.core.errors import TransientFault
from visapi_gateway.events.commits import WEIGHT_MAX, EventCommits
from visapi_gateway.events.service import NewEvent


def event(name: str, body: bytes = b"{}") -> NewEvent:
    return NewEvent("/shop", name, "paid", body)


async def begun(ledger: FakeEvents, commits: int) -> None:
    async with asyncio.timeout(5):
        while len(ledger.commits) < commits:
            await asyncio.sleep(0)


async def test_requests_that_come_during_a_commit_share_the_next_one_and_one_hint() -> None:
    ledger, hints = FakeEvents(), list[int]()
    ledger.faults.hold("put")
    commits = EventCommits(ledger, lambda: hints.append(1))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(commits.put("a", [event("1")]))
        await begun(ledger, 1)
        later = [group.create_task(commits.put("a", [event(name)])) for name in ("2", "1", "2", "3")]
        await asyncio.sleep(0)
        ledger.faults.let_go("put")
    assert ledger.commits == [("a", ["1"]), ("a", ["2", "1", "2", "3"])]
    assert first.result() == {("/shop", "1")}
    assert [task.result() for task in later] == [{("/shop", "2")}, set(), set(), {("/shop", "3")}]
    assert len(hints) == 2


async def test_no_tenant_waits_for_the_commit_of_another() -> None:
    ledger = FakeEvents()
    ledger.faults.hold("put")
    commits = EventCommits(ledger, lambda: None)
    async with asyncio.TaskGroup() as group:
        for tenant in ("a", "b", "a"):
            group.create_task(commits.put(tenant, [event("1")]))
        await begun(ledger, 2)
        assert [tenant for tenant, _ in ledger.commits] == ["a", "b"]
        ledger.faults.let_go("put")


async def test_large_requests_travel_alone() -> None:
    ledger = FakeEvents()
    commits = EventCommits(ledger, lambda: None)
    large = b"x" * (WEIGHT_MAX // 2)
    async with asyncio.TaskGroup() as group:
        for name in "12":
            group.create_task(commits.put("a", [event(name, large)]))
    assert ledger.commits == [("a", ["1"]), ("a", ["2"])]


async def test_a_commit_that_fails_is_told_to_its_requests_and_the_next_one_succeeds() -> None:
    ledger, hints = FakeEvents(), list[int]()
    commits = EventCommits(ledger, lambda: hints.append(1))
    ledger.faults.plan("put", TransientFault("down"))
    with pytest.raises(TransientFault):
        await commits.put("a", [event("1")])
    assert hints == []
    assert await commits.put("a", [event("1")]) == {("/shop", "1")}
