"""The lanes against a ledger that fails in every way a real one can."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from visapi_common.contracts.payloads import NULL
from visapi_common.core.errors import Fault, PermanentFault, TransientFault, UnknownFault
from visapi_common.runtime.group_commit import BATCH_MAX
from visapi_gateway.runs.starting.commits import (
    Accepted,
    Conflict,
    Holder,
    NewRun,
    Replayed,
    RequestKey,
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


class Ledger:
    """Rows in memory. `faults` are raised one after the other before anything else happens."""

    def __init__(self) -> None:
        self.rows: dict[UUID, NewRun] = {}
        self.keys: dict[RequestKey, Holder] = {}
        self.asked = 0
        self.batches: list[int] = []
        self.faults: list[Fault] = []
        self.bad: set[UUID] = set()
        self.loses_answer = False
        self.open = asyncio.Event()
        self.open.set()

    async def accept(self, runs: Sequence[NewRun]) -> set[UUID]:
        self.asked += len(runs)
        await self.open.wait()
        self.batches.append(len(runs))
        if self.faults:
            raise self.faults.pop(0)
        if any(run.id in self.bad for run in runs):
            raise PermanentFault("bad row")
        inserted: set[UUID] = set()
        for run in runs:
            if run.key is None or (run.tenant, run.key) not in self.keys:
                if run.key is not None:
                    self.keys[run.tenant, run.key] = Holder(run.id, run.body_hash or b"")
                self.rows[run.id] = run
                inserted.add(run.id)
        if self.loses_answer:
            raise UnknownFault("connection lost during commit")
        return inserted

    async def taken_keys(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Holder]:
        return {key: self.keys[key] for key in keys}

    async def present(self, runs: Sequence[NewRun]) -> set[UUID]:
        return {run.id for run in runs if run.id in self.rows}


class NoMeter:
    def batch(self, rows: int, seconds: float) -> None:
        pass


@asynccontextmanager
async def lanes(ledger: Ledger, announced: list[UUID] | None = None) -> AsyncIterator[RunCommits]:
    said = [] if announced is None else announced
    run_commits = RunCommits(ledger, lambda trigger: said.append(trigger.run), NoMeter())
    serving = asyncio.create_task(run_commits.run())
    yield run_commits
    run_commits.close()
    await serving


async def test_a_lone_run_is_committed_at_once_and_then_announced() -> None:
    ledger, announced = Ledger(), list[UUID]()
    async with lanes(ledger, announced) as run_commits:
        assert await run_commits.accept(a_run(1)) == Accepted()
    assert ledger.batches == [1]
    assert announced == [UUID(int=1)]


async def test_what_waits_while_a_batch_commits_goes_together_within_the_limit() -> None:
    ledger = Ledger()
    ledger.open.clear()
    async with lanes(ledger) as run_commits:
        waiting = [asyncio.ensure_future(run_commits.accept(a_run(n))) for n in range(BATCH_MAX * 2 + 10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ledger.open.set()
        assert set(await asyncio.gather(*waiting)) == {Accepted()}
    assert max(ledger.batches) == BATCH_MAX
    assert len(ledger.batches) <= 5


async def test_a_taken_key_is_replayed_or_a_conflict() -> None:
    ledger = Ledger()
    async with lanes(ledger) as run_commits:
        assert await run_commits.accept(a_run(1, key="k")) == Accepted()
        assert await run_commits.accept(a_run(2, key="k")) == Replayed(UUID(int=1))
        assert await run_commits.accept(a_run(3, key="k", body=b"other")) == Conflict(UUID(int=1))
    assert len(ledger.rows) == 1


async def test_a_bad_row_fails_alone() -> None:
    ledger = Ledger()
    ledger.bad = {UUID(int=3)}
    async with lanes(ledger) as run_commits:
        results = await asyncio.gather(
            *(run_commits.accept(a_run(n)) for n in range(1, 6)), return_exceptions=True
        )
    assert [isinstance(result, PermanentFault) for result in results] == [False, False, True, False, False]


async def test_surely_not_committed_is_transient_for_all() -> None:
    ledger, announced = Ledger(), list[UUID]()
    ledger.faults = [TransientFault("away")]
    async with lanes(ledger, announced) as run_commits:
        with pytest.raises(TransientFault):
            await run_commits.accept(a_run(1))
    assert announced == []


async def test_a_lost_answer_is_found_out_by_reading_again() -> None:
    ledger, announced = Ledger(), list[UUID]()
    ledger.loses_answer = True
    async with lanes(ledger, announced) as run_commits:
        assert await run_commits.accept(a_run(1)) == Accepted()
    assert announced == [UUID(int=1)]


async def test_a_lost_answer_without_a_row_stays_unknown() -> None:
    ledger = Ledger()
    ledger.faults = [UnknownFault("lost")]
    async with lanes(ledger) as run_commits:
        with pytest.raises(UnknownFault):
            await run_commits.accept(a_run(1))


async def test_a_caller_who_left_does_not_disturb_the_batch() -> None:
    ledger = Ledger()
    ledger.open.clear()
    async with lanes(ledger) as run_commits:
        gone = asyncio.ensure_future(run_commits.accept(a_run(1)))
        stays = asyncio.ensure_future(run_commits.accept(a_run(2)))
        while ledger.asked < 2:
            await asyncio.sleep(0)
        gone.cancel()
        ledger.open.set()
        assert await stays == Accepted()
    assert set(ledger.rows) == {UUID(int=1), UUID(int=2)}


async def test_what_waits_at_the_end_is_still_committed_and_nothing_after_it() -> None:
    ledger = Ledger()
    ledger.open.clear()
    run_commits = RunCommits(ledger, lambda run: None, NoMeter())
    serving = asyncio.create_task(run_commits.run())
    waiting = [asyncio.ensure_future(run_commits.accept(a_run(n))) for n in range(300)]
    await asyncio.sleep(0)
    run_commits.close()
    with pytest.raises(TransientFault):
        await run_commits.accept(a_run(999))
    ledger.open.set()
    await asyncio.gather(*waiting)
    await serving
    assert len(ledger.rows) == 300
