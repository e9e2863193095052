"""How often a task may be delivered, and what waiting costs: the worker kit on a real NATS server."""

import asyncio
from typing import Any

import pytest

from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus, Message
from visapi_common.adapters.pull_loop import Delivery
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Outcome
from visapi_common.worker import Postponed, Worker


async def hand_back(admin: Bus, function: str, times: int) -> None:
    """Workers took the task so many times and died."""
    consumer = await Topology(admin).ensure_function(FunctionConsumer("default", function, 16))
    asked = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.STREAM_TASKS}.{consumer}"
    inbox, arrived = admin.new_inbox(), asyncio.Queue[Message]()
    await admin.subscribe(inbox, arrived.put_nowait)
    for _ in range(times):
        admin.publish(asked, b'{"batch": 1, "expires": 4000000000}', reply=inbox)
        Delivery(await arrived.get()).nak()
    await admin.flush()


@pytest.mark.parametrize(("effect", "outcome"), [("keyed", Outcome.FAULTED), ("once", Outcome.UNCERTAIN)])
async def test_a_task_delivered_more_than_five_times_is_answered_without_running(
    nats_server: NatsServer, orchestrator, serve, effect, outcome
):
    worker = Worker()
    called = []

    @worker.function("acme.poison", effect=effect, claims=False)
    async def poison(_input: Any) -> None:
        called.append(1)

    letters: list[bytes] = []
    admin = await Bus.connect(nats_server.url(), "admin")
    await admin.subscribe("visapi.dlq.>", lambda message: letters.append(message.data))
    task = await orchestrator.send("acme.poison")
    await hand_back(admin, "acme.poison", 5)
    served = await serve(worker)
    result = await orchestrator.result_of(task)
    assert (result.outcome, result.error.title, called) == (outcome, "Poison task", [])
    await eventually(lambda: letters)
    again = {"function": "acme.poison"}
    assert served.metrics.registry.get_sample_value("visapi_worker_redeliveries_total", again) == 1
    await admin.close()


async def test_a_claimed_task_runs_however_often_it_was_delivered_before(
    nats_server: NatsServer, orchestrator, serve
):
    worker = Worker()

    @worker.function("acme.claimed")
    async def claimed(_input: Any) -> str:
        return "first start"

    task = await orchestrator.send("acme.claimed")
    admin = await Bus.connect(nats_server.url(), "admin")
    await hand_back(admin, "acme.claimed", 6)
    await admin.close()
    await serve(worker)
    assert (await orchestrator.result_of(task)).outcome is Outcome.COMPLETED


async def test_waiting_for_an_effect_costs_neither_its_timeout_nor_a_delivery(orchestrator, serve):
    worker = Worker()
    calls = []

    @worker.function("acme.waits", claims=False, timeout_s=0.02)
    async def waits(_input: Any) -> str:
        calls.append(1)
        if len(calls) <= 8:
            raise Postponed(0.03)
        return "done"

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.waits"))
    assert (result.outcome, len(calls)) == (Outcome.COMPLETED, 9)


async def test_a_claim_whose_answer_cannot_be_read_is_asked_again_under_its_name(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.garbled")
    async def garbled(_input: Any) -> None: ...

    orchestrator.garbled_claims = 2
    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.garbled"))
    assert result.outcome is Outcome.COMPLETED
    assert len(orchestrator.claims) == 3
    assert len({claim.worker for claim in orchestrator.claims}) == 1


async def test_an_output_that_cannot_be_stored_holds_an_effect_that_happened_once(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.large")
    async def large(_input: Any) -> str:
        return "x" * 100_000

    await serve(worker)  # without an artifact store
    result = await orchestrator.result_of(await orchestrator.send("acme.large"))
    assert result.outcome is Outcome.UNCERTAIN
