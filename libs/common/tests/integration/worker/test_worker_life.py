"""A worker over time: long work, stopping, losing NATS, being refused."""

import asyncio
from typing import Any

import pytest

from kit.servers import NatsServer
from kit.waiting import LIMIT_S, eventually
from visapi_common.contracts.engine_messages import Outcome
from visapi_common.worker import ProblemError, Worker


async def test_long_work_reports_progress_to_jetstream_and_heartbeats_to_the_engine(orchestrator, serve):
    worker = Worker()
    release = asyncio.Event()
    calls = []

    @worker.function("acme.long", effect="keyed", timeout_s=60)
    async def long(_input: Any) -> None:
        calls.append(1)
        await release.wait()

    await serve(worker)
    task = await orchestrator.send("acme.long")
    # Longer than the consumer's AckWait of 10 s: without progress there would be a second call.
    await eventually(lambda: len(orchestrator.heartbeats) >= 3)
    release.set()
    assert (await orchestrator.result_of(task)).outcome is Outcome.COMPLETED
    assert len(calls) == 1
    assert orchestrator.heartbeats[0].token == task.token


async def test_a_stopping_worker_finishes_what_it_holds_and_takes_nothing_new(orchestrator, serve):
    worker = Worker()
    begun, release = asyncio.Event(), asyncio.Event()

    @worker.function("acme.long", effect="keyed", concurrency=1)
    async def long(_input: Any) -> None:
        begun.set()
        await release.wait()

    served = await serve(worker)
    first = await orchestrator.send("acme.long")
    await begun.wait()
    second = await orchestrator.send("acme.long")
    served.stopping.set()
    release.set()
    assert (await orchestrator.result_of(first)).outcome is Outcome.COMPLETED
    async with asyncio.timeout(LIMIT_S):
        await served.task
    assert [result.run for result in orchestrator.results] == [first.run]
    assert await orchestrator.unacknowledged("acme.long") == 1
    assert second.run != first.run


async def test_a_cancelled_worker_hands_its_tasks_back(orchestrator, serve):
    begun = asyncio.Event()

    def build(work) -> Worker:
        worker = Worker()
        worker.function("acme.back", effect="keyed")(work)
        return worker

    async def hang(_input: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def answer(_input: Any) -> str:
        return "done"

    first = await serve(build(hang))
    task = await orchestrator.send("acme.back")
    await begun.wait()
    first.task.cancel()
    await asyncio.wait([first.task])
    await serve(build(answer))
    assert (await orchestrator.result_of(task)).outcome is Outcome.COMPLETED


async def test_a_worker_works_on_after_nats_was_killed_and_its_store_wiped(
    nats_server: NatsServer, orchestrator, serve
):
    worker = Worker()

    @worker.function("acme.echo", effect="keyed")
    async def echo(value: Any) -> Any:
        return value

    await serve(worker)
    await orchestrator.result_of(await orchestrator.send("acme.echo", 1))
    nats_server.restart(wiped=True)
    announced = len(orchestrator.registrations)
    await orchestrator.heal()
    await eventually(lambda: len(orchestrator.registrations) > announced)
    result = await orchestrator.result_of(await orchestrator.send("acme.echo", 2))
    assert bytes(result.output.inline) == b"2"


async def test_a_refused_registration_ends_the_worker_with_the_reason(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.refused")
    async def refused(_input: Any) -> None: ...

    orchestrator.refusal = "acme.refused is taken"
    served = await serve(worker)
    with pytest.raises(ProblemError, match=r"acme\.refused is taken"):
        await served.task
