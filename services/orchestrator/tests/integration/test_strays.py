"""A tenant's NATS user has JetStream store messages in the streams of VisAPI, which are cleared of them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from kit.configured_nats import ConfiguredNats
from kit.waiting import eventually
from visapi.admin import nats_users
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.strays import RemovedStrays
from visapi_common.adapters.topology import Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import TransientFault
from visapi_orchestrator.tasks.streams import JetStreams

SERVER = """
jetstream { store_dir: "{folder}/store" }
include "account.conf"
"""
SCORE = subjects.task("acme", "acme.score")
KNOWN = {SCORE}
LIMIT = 100


@pytest.fixture(scope="module")
def server() -> Iterator[ConfiguredNats]:
    users = [*nats_users.service_users(), *nats_users.worker_users({"acme": ("acme.score",)})]
    running = ConfiguredNats(SERVER)
    account = nats_users.render_account("VISAPI", users, {user.name: user.name for user in users})
    (running.folder / "account.conf").write_text(account)
    running.start()
    yield running
    running.close()


@dataclass
class World:
    orchestrator: Bus
    worker: Bus
    streams: JetStreams

    async def call(self, what: str, body: object = None) -> dict[str, Any]:
        data = b"" if body is None else msgspec.json.encode(body)
        answer = msgspec.json.decode((await self.orchestrator.request(f"$JS.API.{what}", data, 5)).data)
        assert "error" not in answer, answer
        return answer

    async def stored(self, stream: str) -> int:
        return (await self.call(f"STREAM.INFO.{stream}"))["state"]["messages"]

    async def store_answers(self, *replies: str) -> None:
        """Publish one event again and again; its acknowledgements go to these subjects."""
        for reply in replies:
            self.worker.publish("visapi.events.acme.x", b"{}", {"Nats-Msg-Id": "one"}, reply=reply)
        await self.worker.flush(10)


@pytest.fixture
async def world(server: ConfiguredNats) -> AsyncIterator[World]:
    orchestrator = await Bus.connect(server.url("orchestrator", "orchestrator"), "orchestrator")
    worker = await Bus.connect(server.url("worker-acme", "worker-acme"), "worker")
    topology = Topology(orchestrator)
    here = World(orchestrator, worker, JetStreams(topology, orchestrator))
    await topology.heal()
    await here.streams.ensure_function("acme", FunctionSpec("acme.score"))
    for stream in ("TASKS", "ENGINE"):
        config = (await here.call(f"STREAM.INFO.{stream}"))["config"]
        await here.call(f"STREAM.UPDATE.{stream}", config | {"max_msgs": LIMIT})
    yield here
    for stream in ("TASKS", "ENGINE"):
        await here.call(f"STREAM.PURGE.{stream}")
    await worker.close()
    await orchestrator.close()


async def full(world: World, stream: str) -> None:
    await eventually(lambda: _holds(world, stream, LIMIT))


async def _holds(world: World, stream: str, number: int) -> bool:
    return await world.stored(stream) == number


async def test_messages_that_no_consumer_takes_do_not_stop_the_tasks_for_good(world: World):
    await world.store_answers(*["visapi.tasks.nobody.nothing"] * (LIMIT + 10))
    await full(world, "TASKS")
    with pytest.raises(TransientFault):
        await world.orchestrator.publish_acked(SCORE, b"{}", msg_id="refused")
    assert await world.streams.remove_strays(KNOWN) == [
        RemovedStrays("TASKS", ["visapi.tasks.nobody.nothing"], LIMIT)
    ]
    await world.orchestrator.publish_acked(SCORE, b"{}", msg_id="taken")
    assert await world.stored("TASKS") == 1


async def test_nor_do_messages_on_the_subject_of_a_function_without_workers(world: World):
    await world.store_answers(*[SCORE] * LIMIT)
    await full(world, "TASKS")
    assert await world.streams.remove_strays(KNOWN) == [RemovedStrays("TASKS", [SCORE], LIMIT)]
    assert await world.stored("TASKS") == 0


async def test_nor_do_messages_on_many_subjects(world: World):
    await world.store_answers(*(f"visapi.tasks.nobody.f{number}" for number in range(LIMIT)))
    await full(world, "TASKS")
    [removed] = await world.streams.remove_strays(KNOWN)
    assert (removed.stream, removed.messages) == ("TASKS", LIMIT)


async def test_the_tasks_of_others_stay_beside_strays_of_few_subjects(world: World):
    for number in range(LIMIT // 4):
        await world.orchestrator.publish_acked(SCORE, b"{}", msg_id=f"beside-{number}")
    await world.store_answers(*["visapi.tasks.nobody.nothing"] * LIMIT)
    await full(world, "TASKS")
    [removed] = await world.streams.remove_strays(KNOWN)
    assert removed.subjects == ["visapi.tasks.nobody.nothing"]
    assert await world.stored("TASKS") == LIMIT // 4


async def test_a_backlog_of_tasks_stays(world: World):
    for number in range(LIMIT):
        await world.orchestrator.publish_acked(SCORE, b"{}", msg_id=f"backlog-{number}")
    assert await world.streams.remove_strays(KNOWN) == []
    assert await world.stored("TASKS") == LIMIT


async def test_few_strays_stay(world: World):
    await world.store_answers(*["visapi.tasks.nobody.nothing"] * (LIMIT // 2))
    await eventually(lambda: _holds(world, "TASKS", LIMIT // 2))
    assert await world.streams.remove_strays(KNOWN) == []


async def test_the_engine_stores_its_four_kinds_of_message_only(world: World):
    kinds = [f"visapi.engine.0.{kind}" for kind in ("trigger", "result", "inbox", "heartbeat")]
    await world.store_answers("visapi.engine.no.body", "visapi.engine.0", *kinds)
    await eventually(lambda: _holds(world, "ENGINE", len(kinds)))


async def test_what_an_older_engine_stored_is_removed(world: World):
    config = (await world.call("STREAM.INFO.ENGINE"))["config"]
    await world.call("STREAM.UPDATE.ENGINE", config | {"subjects": ["visapi.engine.>"]})
    await world.store_answers(*["visapi.engine.no.body"] * LIMIT)
    await full(world, "ENGINE")
    await world.streams.heal()
    assert await world.streams.remove_strays(KNOWN) == [
        RemovedStrays("ENGINE", ["visapi.engine.no.body"], LIMIT)
    ]
    assert (await world.call("STREAM.INFO.ENGINE"))["config"]["subjects"] == list(subjects.ENGINE_KINDS)
