"""Plain functions in threads: as many at once as declared, their time from when they begin, and hostile answers."""

import itertools
import threading
import time
from typing import Any

import pytest

from kit.waiting import eventually
from visapi_common.contracts.engine_messages import Outcome
from visapi_common.contracts.problems import WorkflowError
from visapi_common.worker import TaskFault, Worker


async def test_as_many_plain_functions_run_at_once_as_declared(orchestrator, serve):
    worker = Worker("acme")
    together = threading.Barrier(24, timeout=20)

    @worker.function("acme.slow", effect="once", concurrency=24, timeout_s=20)
    def slow(_: Any) -> int:
        return together.wait()

    await serve(worker)
    sent = [await orchestrator.send("acme.slow") for _ in range(24)]
    results = [await orchestrator.result_of(message, 20) for message in sent]
    assert {result.outcome for result in results} == {Outcome.COMPLETED}


async def test_a_once_task_is_claimed_when_its_thread_is_free_and_its_time_starts_then(orchestrator, serve):
    """Four tasks of 0.6 s, one after the other, with 2 s for each: all complete."""
    worker = Worker("acme")
    begun: list[float] = []
    claimed_before: list[int] = []

    @worker.function("acme.slow", effect="once", concurrency=1, timeout_s=2)
    def slow(_: Any) -> None:
        begun.append(time.monotonic())
        claimed_before.append(len(orchestrator.claims))
        time.sleep(0.6)

    await serve(worker)
    sent = [await orchestrator.send("acme.slow") for _ in range(4)]
    results = [await orchestrator.result_of(message) for message in sent]
    assert {result.outcome for result in results} == {Outcome.COMPLETED}
    assert claimed_before == [1, 2, 3, 4]
    assert all(later - earlier >= 0.6 for earlier, later in itertools.pairwise(begun))


async def test_a_function_that_does_not_end_in_time_keeps_its_thread_and_holds_no_other_task(
    orchestrator, serve
):
    worker = Worker("acme")
    release = threading.Event()
    seen: list[int] = []

    @worker.function("acme.stuck", effect="once", concurrency=1, timeout_s=0.3)
    def stuck(number: int) -> None:
        seen.append(number)
        if number == 0:
            release.wait(60)

    @worker.function("acme.free", effect="keyed")
    def free(_: Any) -> None: ...

    await serve(worker)
    first = await orchestrator.send("acme.stuck", 0)
    assert (await orchestrator.result_of(first)).outcome is Outcome.UNCERTAIN
    second = await orchestrator.send("acme.stuck", 1)
    # A later task of another function is done meanwhile: the worker goes on, and leaves the second alone.
    assert (await orchestrator.result_of(await orchestrator.send("acme.free"))).outcome is Outcome.COMPLETED
    assert second.run not in {claim.run for claim in orchestrator.claims}
    assert seen == [0]
    release.set()
    assert (await orchestrator.result_of(second)).outcome is Outcome.COMPLETED
    assert seen == [0, 1]


async def test_a_worker_takes_no_more_tasks_than_it_can_run(orchestrator, serve):
    release = threading.Event()
    took: dict[str, list[int]] = {"one": [], "two": []}

    def worker(name: str) -> Worker:
        made = Worker(name)

        @made.function("acme.shared", effect="keyed", concurrency=10, local=1, timeout_s=30)
        def shared(number: int) -> None:
            took[name].append(number)
            release.wait(20)

        return made

    await serve(worker("one"))
    sent = [await orchestrator.send("acme.shared", n) for n in range(2)]
    await serve(worker("two"))
    try:
        await eventually(lambda: took["one"] and took["two"])
    finally:
        release.set()
    for message in sent:
        assert (await orchestrator.result_of(message)).outcome is Outcome.COMPLETED


def _deep(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


ERRORS = {
    "data 5,000 levels deep": WorkflowError("x", 500, "t", "d", data=_deep(5_000)),
    "data 500 levels deep": WorkflowError("x", 500, "t", "d", data=_deep(500)),
    "data that is no JSON": WorkflowError("x", 500, "t", "d", data=object()),
    "a detail of 3 MB": WorkflowError("x", 500, "t", "d" * 3_000_000),
    "half a surrogate pair": WorkflowError("x", 500, "t", "\ud800\0"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
async def test_whatever_error_a_function_raises_the_task_is_answered_and_the_next_one_runs(
    orchestrator, serve, error: WorkflowError
):
    worker = Worker("acme")

    @worker.function("acme.fails", effect="keyed", concurrency=2)
    def fails(number: int) -> int:
        if number == 0:
            raise TaskFault(error)
        return number

    await serve(worker)
    failed = await orchestrator.result_of(await orchestrator.send("acme.fails", 0))
    assert failed.outcome is Outcome.FAULTED
    assert (
        await orchestrator.result_of(await orchestrator.send("acme.fails", 1))
    ).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("levels", [200, 5_000])
async def test_an_output_that_nobody_would_read_is_an_error_of_its_task(orchestrator, serve, levels: int):
    worker = Worker("acme")

    @worker.function("acme.deep", effect="keyed")
    def deep(levels: int) -> Any:
        return _deep(levels)

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.deep", levels))
    assert (result.outcome, result.error.status) == (Outcome.FAULTED, 422)
    assert (
        await orchestrator.result_of(await orchestrator.send("acme.deep", 50))
    ).outcome is Outcome.COMPLETED
