"""What is refused, late or strange, and still costs nobody anything."""

from uuid import UUID

import msgspec

from kit.orchestration import Stack, completed, eventually
from kit.servers import PostgresServer
from visapi_common.contracts.task_messages import TaskMessage

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


async def test_postgres_killed_under_load_loses_nothing(stack: Stack, postgres_server: PostgresServer):
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator() as lifecycle:
        worker = await stack.worker("acme.echo")
        runs = [await stack.gateway.start("two") for _ in range(100)]
        postgres_server.kill()

        async def noticed():
            return not lifecycle.readiness.ready

        await eventually(noticed)
        # Not in a thread: the server dies with the thread that started it.
        postgres_server.restart()
        await _complete_all(stack, runs)
        assert len({task.effect_key for task in worker.seen}) == 200


async def test_the_inputs_of_every_transition_are_recorded_when_asked(stack: Stack):
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator(record_inputs=True):
        await stack.worker("acme.echo")
        run = await stack.gateway.start("two")
        row = await stack.gateway.ended(run)
        rows = await stack.gateway.pool.fetch(
            "select revision, events from recorded_inputs where run = $1 order by revision", run
        )
        assert [one["revision"] for one in rows] == list(range(row["revision"]))
        kinds = [event["type"] for one in rows for event in msgspec.json.decode(one["events"])]
        assert kinds == ["started", "task.completed", "task.completed"]


async def test_values_above_64_kib_travel_by_reference(stack: Stack):
    await stack.gateway.deploy("big", "do:\n  - only: {call: acme.echo, with: {blob: '${ .blob }'}}\n")
    big = "x" * 200_000
    inputs = []

    def echo(task: TaskMessage):
        inputs.append(task.input)
        return completed(task, "small")

    async with stack.orchestrator():
        await stack.worker("acme.echo", answer=echo)
        run = await stack.gateway.start("big", {"blob": big})
        assert (await stack.gateway.ended(run))["status"] == "completed"
        assert inputs[0].ref is not None
        assert inputs[0].size > 200_000


async def _complete_all(stack: Stack, runs: list[UUID]) -> None:
    async def all_done():
        return await stack.gateway.pool.fetchval(
            "select count(*) from runs_done where id = any($1) and status = 'completed'", runs
        ) == len(runs)

    await eventually(all_done)
