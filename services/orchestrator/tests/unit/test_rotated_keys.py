"""Effect and handle keys are rotated while runs are open: a run keeps its keys, so nothing happens twice."""

from uuid import UUID

import msgspec

from kit.fakes.clocks import in_no_time
from kit.fakes.transitions import SECRET, TransitionWorld, fates
from visapi_common.contracts.engine_messages import Outcome, TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.effect_key import effect_key, task_token
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.core.secret_handles import handles_in, run_key
from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages
from visapi_orchestrator.transitions.dependencies import RunKeys

RETRIED = """
do:
  - block:
      try:
        - charge: {call: acme.charge}
        - tell: {call: acme.tell}
      catch:
        retry: {delay: {seconds: 1}, limit: {attempt: {count: 5}}}
"""
NEW = b"n" * 32


def rotated_at(ms: int) -> RunKeys:
    ring = Keyring((Key(NEW, ms), Key(SECRET)))
    return RunKeys(effects=ring, handles=ring)


def only_new(ms: int) -> RunKeys:
    ring = Keyring((Key(NEW, ms),))
    return RunKeys(effects=ring, handles=ring)


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def open_task(world: TransitionWorld, run: UUID) -> TaskMessage:
    (task,) = world.asked(run)
    return task


async def answered(world: TransitionWorld, task: TaskMessage) -> None:
    assert await world.transitions.advance([world.answered(task)])


async def failed(world: TransitionWorld, task: TaskMessage) -> None:
    """The attempt fails, and the pause before the next one ends."""
    error = standard_error("communication", 503, title="away", detail="away")
    result = TaskResult(task.run, task.path, task.attempt, task.token, Outcome.FAULTED, error=error)
    assert await world.transitions.advance([RunMessages(task.run, results=[result])])
    (name, timer), *_ = [(key[1], row) for key, row in world.rows.timers.items() if key[0] == task.run]
    world.rows.now_ms = timer.fire_ms
    assert await world.transitions.advance([RunMessages(task.run, timers=[DueTimer(name, timer.fire_ms)])])


@in_no_time
async def test_a_rotation_in_the_middle_of_a_retried_block_executes_nothing_twice():
    world = TransitionWorld()
    run = await world.started(RETRIED)
    charge = open_task(world, run)
    await answered(world, charge)
    first = open_task(world, run)

    world.restart(rotated_at(world.rows.now_ms + 1))
    await failed(world, first)
    second = open_task(world, run)

    assert (second.function, second.attempt) == ("acme.tell", 2), "what was charged is not charged again"
    assert second.effect_key == first.effect_key == effect_key(SECRET, run, first.path)
    await answered(world, second)
    assert run in world.rows.done


@in_no_time
async def test_without_the_key_of_its_time_a_run_would_have_another_effect_key():
    world = TransitionWorld()
    run = await world.started(RETRIED)
    task = open_task(world, run)
    assert task.effect_key != effect_key(NEW, run, task.path)
    world.rows.now_ms += 1
    world.restart(rotated_at(world.rows.now_ms))
    later = await world.started(RETRIED)
    assert open_task(world, later).effect_key == effect_key(NEW, later, task.path)
    assert open_task(world, later).token == task_token(NEW, later, task.path, 1)


@in_no_time
async def test_a_run_keeps_the_handles_of_its_secrets():
    text = "use: {secrets: [api]}\ndo: [{a: {call: acme.a}}, {b: {call: acme.b, with: {key: '${ $secrets.api }'}}}]"
    world = TransitionWorld()
    run = await world.started(text)
    world.restart(rotated_at(world.rows.now_ms + 1))
    await answered(world, open_task(world, run))
    given = msgspec.json.encode(open_task(world, run).input).decode()
    assert [path for _, _, path in handles_in(given, run_key(SECRET, run))] == [("api",)]


@in_no_time
async def test_a_run_whose_key_was_dropped_waits_for_it_and_others_go_on():
    world = TransitionWorld()
    run = await world.started(RETRIED)
    before, since = world.rows.runs[run].snapshot.revision, world.rows.now_ms + 1
    world.rows.now_ms += 1
    world.restart(only_new(since))
    messages = world.answered(open_task(world, run))
    neighbour = world.accepted("do: [{a: {set: {n: 1}}}]")

    assert await world.transitions.advance([messages, neighbour])

    assert fates([messages, neighbour]) == [["nak 5"], ["ack"]]
    assert world.rows.runs[run].snapshot.revision == before
    assert world.set_aside == []
    assert counted(world.metrics, "visapi_messages_stale_total", reason="keys") == 1
    faults = {"loop": "transitions", "class": "keys"}
    assert counted(world.metrics, "visapi_operator_faults_total", **faults) == 1

    world.restart(rotated_at(since))
    await answered(world, open_task(world, run))
    assert open_task(world, run).function == "acme.tell"
