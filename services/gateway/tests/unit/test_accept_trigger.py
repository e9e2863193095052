"""The lanes against a ledger that fails in every way a real one can."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from kit.fakes.gateway.starting import FakeRunLedger
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.payloads import NULL
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.runtime.group_commit import BATCH_MAX
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.runs.starting.commits import (
    Accepted,
    Conflict,
    NewRun,
    Replayed,
    RunCommits,
)


def a_run(number: int, *, key: str | None = None, body: bytes = b"hash") -> NewRun:
    return NewRun(
        id=UUID(int=number),
        tenant="default",
        namespace="demo",
        name="hello",
        version="1.0.0",
        program=b"p",
        input=NULL,
        trace="",
        started_by="key:x",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        key=key,
        body_hash=body,
    )


@asynccontextmanager
async def lanes(ledger: FakeRunLedger, announced: list[UUID] | None = None) -> AsyncIterator[RunCommits]:
    said = [] if announced is None else announced
    run_commits = RunCommits(ledger, lambda trigger: said.append(trigger.run), open_metrics())
    serving = asyncio.create_task(run_commits.run())
    yield run_commits
    run_commits.close()
    await serving


async def test_a_lone_run_is_committed_at_once_and_then_announced() -> None:
    ledger, announced = FakeRunLedger(GatewayTables()), list[UUID]()
    async with lanes(ledger, announced) as run_commits:
        assert await run_commits.accept(a_run(1)) == Accepted()
    assert ledger.batches == [1]
    assert announced == [UUID(int=1)]


async def test_what_waits_while_a_batch_commits_goes_together_within_the_limit() -> None:
    ledger = FakeRunLedger(GatewayTables())
    ledger.faults.hold("accept")
    async with lanes(ledger) as run_commits:
        waiting = [asyncio.ensure_future(run_commits.accept(a_run(n))) for n in range(BATCH_MAX * 2 + 10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ledger.faults.let_go("accept")
        assert set(await asyncio.gather(*waiting)) == {Accepted()}
    assert max(ledger.batches) == BATCH_MAX
    assert len(ledger.batches) <= 5


async def test_a_taken_key_is_replayed_or_a_conflict() -> None:
    ledger = FakeRunLedger(GatewayTables())
    async with lanes(ledger) as run_commits:
        assert await run_commits.accept(a_run(1, key="k")) == Accepted()
        assert await run_commits.accept(a_run(2, key="k")) == Replayed(UUID(int=1))
        assert await run_commits.accept(a_run(3, key="k", body=b"other")) == Conflict(UUID(int=1))
    assert len(ledger.committed) == 1


async def test_a_bad_row_fails_alone() -> None:
    ledger = FakeRunLedger(GatewayTables())
    ledger.refused = {UUID(int=3)}
    async with lanes(ledger) as run_commits:
        results = await asyncio.gather(
            *(run_commits.accept(a_run(n)) for n in range(1, 6)), return_exceptions=True
        )
    assert [isinstance(result, PermanentFault) for result in results] == [False, False, True, False, False]


async def test_surely_not_committed_is_transient_for_all() -> None:
    ledger, announced = FakeRunLedger(GatewayTables()), list[UUID]()
    ledger.faults.plan("accept", TransientFault("away"))
    async with lanes(ledger, announced) as run_commits:
        with pytest.raises(TransientFault):
            await run_commits.accept(a_run(1))
    assert announced == []


async def test_a_lost_answer_is_found_out_by_reading_again() -> None:
    ledger, announced = FakeRunLedger(GatewayTables()), list[UUID]()
    ledger.loses_answer = True
    async with lanes(ledger, announced) as run_commits:
        assert await run_commits.accept(a_run(1)) == Accepted()
    assert announced == [UUID(int=1)]


async def test_a_lost_answer_without_a_row_stays_unknown() -> None:
    ledger = FakeRunLedger(GatewayTables())
    ledger.faults.plan("accept", UnknownFault("lost"))
    async with lanes(ledger) as run_commits:
        with pytest.raises(UnknownFault):
            await run_commits.accept(a_run(1))


async def test_a_caller_who_left_does_not_disturb_the_batch() -> None:
    ledger = FakeRunLedger(GatewayTables())
    ledger.faults.hold("accept")
    async with lanes(ledger) as run_commits:
        gone = asyncio.ensure_future(run_commits.accept(a_run(1)))
        stays = asyncio.ensure_future(run_commits.accept(a_run(2)))
        while sum(ledger.batches) < 2:
            await asyncio.sleep(0)
        gone.cancel()
        ledger.faults.let_go("accept")
        assert await stays == Accepted()
    assert ledger.committed == {UUID(int=1), UUID(int=2)}


async def test_what_waits_at_the_end_is_still_committed_and_nothing_after_it() -> None:
    ledger = FakeRunLedger(GatewayTables())
    ledger.faults.hold("accept")
    run_commits = RunCommits(ledger, lambda run: None, open_metrics())
    serving = asyncio.create_task(run_commits.run())
    waiting = [asyncio.ensure_future(run_commits.accept(a_run(n))) for n in range(300)]
    await asyncio.sleep(0)
    run_commits.close()
    with pytest.raises(TransientFault):
        await run_commits.accept(a_run(999))
    ledger.faults.let_go("accept")
    await asyncio.gather(*waiting)
    await serving
    assert len(ledger.committed) == 300
