"""The delivery protocol under repetition, loss, and competition (docs/explanation/delivery-protocol.md)."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from kit.ledger_rows import move_back
from kit.orchestration import TENANT, Stack, completed, eventually, faulted, output_of, publish, uncertain
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import TaskHeartbeat
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import Claim, ClaimAnswer, ClaimVerdict, TaskMessage
from visapi_common.core.effect_key import effect_key

ONE = "do:\n  - only: {call: acme.echo, with: {n: 1}}\n"
TWO = "do:\n  - one: {call: acme.echo, with: {n: 1}}\n  - two: {call: acme.echo, with: {n: 2}}\n"
WAIT = "do:\n  - pause: {wait: {milliseconds: 300}}\n  - only: {call: acme.echo, with: {n: 1}}\n"
FORK = """
do:
  - both:
      fork:
        branches:
          - left: {call: acme.echo, with: {n: 1}}
          - right: {call: acme.echo, with: {n: 2}}
"""
RETRY = """
do:
  - again:
      try:
        - shaky: {call: acme.echo, with: {n: 1}}
      catch:
        errors: {with: {status: 503}}
        retry: {delay: {milliseconds: 50}, limit: {attempt: {count: 3}}}
"""


async def test_a_trigger_that_was_never_published_is_found_by_the_sweep(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        run = await stack.gateway.start("one", announce=False)
        assert (await stack.gateway.ended(run))["status"] == "completed"


async def test_a_trigger_delivered_ten_times_starts_one_run(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    trigger = stack.gateway.trigger("one")
    await stack.gateway.accept(trigger)
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo")
        for _ in range(10):
            stack.gateway.bus.publish(subjects.trigger(trigger.run), msgspec.json.encode(trigger))
        await stack.gateway.ended(trigger.run)
        assert len(worker.seen) == 1


async def test_a_trigger_of_a_run_that_was_never_committed_is_dropped(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo")
        stack.gateway.announce(stack.gateway.trigger("one"))
        run = await stack.gateway.start("one")
        await stack.gateway.ended(run)
        assert {task.run for task in worker.seen} == {run}


async def test_results_repeated_and_late_change_nothing(stack: Stack):
    await stack.gateway.deploy("two", TWO)

    async def thrice(task: TaskMessage):
        for _ in range(3):
            await publish(stack.gateway.bus, task.reply, msgspec.json.encode(completed(task, task.path)))

    async with stack.orchestrator():
        worker = await stack.worker("acme.echo", answer=thrice)
        run = await stack.gateway.start("two")
        row = await stack.gateway.ended(run)
        assert row["status"] == "completed"
        assert {task.attempt for task in worker.seen} == {1}
        types = [item["type"] for item in await stack.gateway.history(run)]
        assert types.count("task.completed") == 2
        for task in worker.seen:
            await publish(stack.gateway.bus, task.reply, msgspec.json.encode(completed(task)))


async def test_a_result_without_its_token_is_dropped(stack: Stack):
    await stack.gateway.deploy("one", ONE)

    async def forged_then_real(task: TaskMessage):
        forged = msgspec.structs.replace(completed(task, "forged"), token="0" * 64)
        await publish(stack.gateway.bus, task.reply, msgspec.json.encode(forged))
        return completed(task, "real")

    async with stack.orchestrator():
        await stack.worker("acme.echo", answer=forged_then_real)
        run = await stack.gateway.start("one")
        assert output_of(await stack.gateway.ended(run)) == "real"


async def test_two_results_of_one_run_in_one_batch_are_both_consumed(stack: Stack):
    await stack.gateway.deploy("fork", FORK)
    held = []

    async def hold(task: TaskMessage):
        held.append(task)
        if len(held) == 2:
            for one in reversed(held):
                stack.gateway.bus.publish(one.reply, msgspec.json.encode(completed(one, one.path)))

    async with stack.orchestrator():
        await stack.worker("acme.echo", answer=hold)
        run = await stack.gateway.start("fork")
        assert (await stack.gateway.ended(run))["status"] == "completed"


async def test_a_timer_fires_by_the_database_clock_and_once(stack: Stack):
    await stack.gateway.deploy("wait", WAIT)
    async with stack.orchestrator(), stack.orchestrator():
        worker = await stack.worker("acme.echo")
        run = await stack.gateway.start("wait")
        row = await stack.gateway.ended(run)
        assert row["status"] == "completed"
        assert len(worker.seen) == 1
        waits = [
            (item["type"], datetime.fromisoformat(item["time"]))
            for item in await stack.gateway.history(run)
            if item.get("task", {}).get("name") == "pause"
        ]
        times = dict(waits)
        assert len(waits) == len(times)
        assert times["task.completed"] - times["task.started"] >= timedelta(milliseconds=300)


async def test_a_retried_task_keeps_its_effect_key_and_raises_its_attempt(stack: Stack):
    await stack.gateway.deploy("retry", RETRY)

    def shaky(task: TaskMessage):
        error = standard_error("communication", 503, title="Away")
        return faulted(task, error) if task.attempt < 3 else completed(task, "at last")

    async with stack.orchestrator():
        worker = await stack.worker("acme.echo", answer=shaky)
        run = await stack.gateway.start("retry")
        assert (await stack.gateway.ended(run))["status"] == "completed"
        assert [task.attempt for task in worker.seen] == [1, 2, 3]
        assert {task.effect_key for task in worker.seen} == {effect_key(b"k" * 32, run, worker.seen[0].path)}


async def test_a_cancelled_run_ends_and_its_tasks_are_withdrawn(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo", answer=lambda _: None)
        run = await stack.gateway.start("one")

        async def asked():
            return worker.seen

        await eventually(asked)
        await stack.gateway.tell(run, "cancel")
        assert (await stack.gateway.ended(run))["status"] == "cancelled"
        assert await stack.gateway.count("tasks", run) == 0
        assert await stack.gateway.count("inbox", run) == 0


async def test_an_inbox_row_without_its_hint_is_found_by_the_sweep(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        await stack.worker("acme.echo", answer=lambda _: None)
        run = await stack.gateway.start("one")
        await stack.gateway.tell(run, "cancel", hint=False)
        assert (await stack.gateway.ended(run))["status"] == "cancelled"


async def test_an_inbox_row_for_an_ended_run_is_removed(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        run = await stack.gateway.start("one")
        await stack.gateway.ended(run)
        await stack.gateway.tell(run, "cancel")

        async def gone():
            return await stack.gateway.count("inbox", run) == 0

        await eventually(gone)
        assert await stack.gateway.status(run) == "completed"


async def test_an_uncertain_effect_is_held_and_a_decision_releases_it(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo", answer=uncertain)
        run = await stack.gateway.start("one")

        async def letter():
            return await stack.gateway.pool.fetchrow(
                "select l.*, t.state from dead_letters l join tasks t using (run, path) where l.run = $1", run
            )

        found = await eventually(letter)
        assert (found["reason"], found["state"], found["function"]) == ("uncertain", "uncertain", "acme.echo")
        path = worker.seen[0].path
        await stack.gateway.tell(run, "resolve", path=path, decision="happened", output={"id": 7})
        row = await stack.gateway.ended(run)
        assert (row["status"], output_of(row)) == ("completed", {"id": 7})
        closed = await stack.gateway.pool.fetchrow("select * from dead_letters where run = $1", run)
        assert closed is not None
        assert (closed["resolved_by"], closed["resolution"]) == ("tester", "happened")
        assert len(worker.seen) == 1


async def test_once_tasks_start_only_once(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo", answer=lambda _: None)
        run = await stack.gateway.start("one")

        async def asked():
            return worker.seen

        (task, *_) = await eventually(asked)

        async def claim(name: str) -> ClaimVerdict:
            body = Claim(run, task.path, task.attempt, task.token, name)
            message = await stack.gateway.bus.request(subjects.claim(TENANT), msgspec.json.encode(body), 5.0)
            return msgspec.json.decode(message.data, type=ClaimAnswer).verdict

        first, again, other = await asyncio.gather(claim("a.1"), claim("a.1"), claim("b.1"))
        assert (first, again, other) == (ClaimVerdict.GRANTED, ClaimVerdict.GRANTED, ClaimVerdict.UNCERTAIN)
        row = await stack.gateway.pool.fetchrow("select state, claimed_by from tasks where run = $1", run)
        assert row is not None
        assert dict(row) == {"state": "started", "claimed_by": "a.1"}
        await publish(stack.gateway.bus, task.reply, msgspec.json.encode(completed(task)))
        await stack.gateway.ended(run)
        assert await claim("a.1") is ClaimVerdict.GONE


async def test_heartbeats_are_written(stack: Stack):
    await stack.gateway.deploy("one", ONE)

    async def beat(task: TaskMessage):
        body = TaskHeartbeat(task.run, task.path, task.attempt, task.token)
        stack.gateway.bus.publish(subjects.heartbeat(task.run), msgspec.json.encode(body))

    async with stack.orchestrator():
        await stack.worker("acme.echo", answer=beat)
        run = await stack.gateway.start("one")

        async def beaten():
            return await stack.gateway.pool.fetchval("select heartbeat_at from tasks where run = $1", run)

        assert await eventually(beaten)


async def _complete_all(stack: Stack, runs: list[UUID]) -> None:
    async def all_done():
        return await stack.gateway.pool.fetchval(
            "select count(*) from runs_done where id = any($1) and status = 'completed'", runs
        ) == len(runs)

    await eventually(all_done)


async def test_two_orchestrators_share_runs_and_none_is_done_twice(stack: Stack):
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator(), stack.orchestrator():
        worker = await stack.worker("acme.echo")
        runs = [await stack.gateway.start("two") for _ in range(200)]
        await _complete_all(stack, runs)
        assert len({(task.run, task.path) for task in worker.seen}) == 400
        for run in runs[:20]:
            items = await stack.gateway.history(run)
            assert [item["seq"] for item in items] == list(range(1, len(items) + 1))


async def test_nats_killed_and_its_whole_store_wiped_loses_nothing(stack: Stack):
    await stack.gateway.deploy("two", TWO)

    wiped = asyncio.Event()

    async def answer(task: TaskMessage):
        if len(worker.seen) > 20:
            await wiped.wait()
        return completed(task)

    async with stack.orchestrator():
        worker = await stack.worker("acme.echo", answer=answer)
        runs = [await stack.gateway.start("two") for _ in range(100)]

        async def under_way():
            return len(worker.seen) > 40

        await eventually(under_way)
        stack.nats.restart(wiped=True)
        wiped.set()
        more = [await stack.gateway.start("two", announce=False) for _ in range(20)]
        await _complete_all(stack, runs + more)
        keys = {(task.run, task.path): task.effect_key for task in worker.seen}
        assert len(set(keys.values())) == len(keys) == 240


async def test_a_task_lost_on_the_way_is_sent_again_though_others_are_waiting(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        first = await stack.gateway.start("one")

        async def issued():
            return await stack.gateway.count("tasks", first)

        await eventually(issued)
        await stack.gateway.bus.request("$JS.API.STREAM.PURGE.TASKS", b"", 2.0)
        await move_back(stack.gateway.pool, "tasks", timedelta(seconds=5), "sent_at")
        second = await stack.gateway.start("one")
        row = await eventually(
            lambda: stack.gateway.pool.fetchrow("select * from tasks where run = $1 and sweeps > 0", first)
        )
        assert row["attempt"] == 1
        worker = await stack.worker("acme.echo")
        await _complete_all(stack, [first, second])
        assert {task.run: task.attempt for task in worker.seen} == {first: 1, second: 1}
