"""The bus and the pull loop against a real server that is killed, restarted and wiped."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus, Message
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.telemetry.setup import open_metrics

SUBJECT = "visapi.tasks.default.acme.score"
SCORE = FunctionConsumer("default", "acme.score", 100)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    connected = await Bus.connect(nats_server.url(), "test")
    yield connected
    await connected.close()


async def test_a_stored_message_is_acknowledged_and_a_repeated_id_is_not_stored_again(bus: Bus):
    await Topology(bus).heal()
    first = await bus.publish_acked(SUBJECT, b"1", msg_id="a")
    again = await bus.publish_acked(SUBJECT, b"1", msg_id="a")
    other = await bus.publish_acked(SUBJECT, b"1", msg_id="b")
    assert (first.seq, again.seq, other.seq) == (1, 1, 2)


async def test_what_was_surely_not_stored_is_a_transient_fault(bus: Bus):
    with pytest.raises(TransientFault, match="nobody serves"):
        await bus.publish_acked("nothing.listens.here", b"")


async def test_a_message_above_the_limit_is_refused_here_and_the_connection_lives(bus: Bus):
    with pytest.raises(PermanentFault, match="exceeds"):
        bus.publish("big", b"x" * 2_000_000)
    assert bus.connected


@pytest.mark.parametrize("subject", ["a b", "a\r\nPUB b 0", "a.>", ""])
async def test_a_subject_cannot_smuggle_a_command(bus: Bus, subject: str):
    with pytest.raises(PermanentFault):
        bus.publish(subject, b"")


async def test_headers_cannot_smuggle_a_line(bus: Bus):
    with pytest.raises(PermanentFault):
        bus.publish("a", b"", {"x": "1\r\ny: 2"})


async def test_without_a_connection_nothing_is_buffered(bus: Bus, nats_server: NatsServer):
    nats_server.kill()
    await eventually(lambda: not bus.connected)
    with pytest.raises(TransientFault, match="not connected"):
        bus.publish("a", b"ghost")


async def test_a_request_in_flight_when_the_server_dies_is_unknown(bus: Bus, nats_server: NatsServer):
    got = asyncio.Event()
    await bus.subscribe("deaf", lambda _: got.set())
    asked = asyncio.ensure_future(bus.request("deaf", b"", 30))
    await got.wait()
    nats_server.kill()
    with pytest.raises(UnknownFault):
        await asyncio.wait_for(asked, 5)


async def test_a_request_is_answered_on_an_inbox_and_on_nothing_else(bus: Bus, nats_server: NatsServer):
    """Whoever asks names any reply subject, and the answer has the rights of who answers."""
    asker = await Bus.connect(nats_server.url(), "asker")
    metrics = open_metrics()
    bus.count_in(metrics)
    heard: list[str] = []
    await asker.subscribe("visapi.>", lambda message: heard.append(message.subject))
    await bus.subscribe("ask", lambda message: message.respond(b"answer"))
    await bus.flush()
    asker.publish("ask", b"", reply="visapi.control.keys")
    assert (await asker.request("ask", b"", 5)).data == b"answer"
    await asker.flush()
    assert heard == []
    assert metrics.registry.get_sample_value("visapi_nats_handler_failures_total") == 1
    await asker.close()


async def test_subscriptions_and_requests_work_after_a_restart(bus: Bus, nats_server: NatsServer):
    async def double(message: Message) -> None:
        message.respond(message.data * 2)

    await bus.subscribe("double", double, "q")
    back = asyncio.Event()
    bus.on_reconnect(back.set)
    nats_server.restart()
    await asyncio.wait_for(back.wait(), 5)
    assert (await bus.request("double", b"ab", 2)).data == b"abab"


@pytest.mark.parametrize("wiped", [False, True])
async def test_a_pull_goes_on_after_a_restart_with_and_without_the_store(
    bus: Bus, nats_server: NatsServer, wiped: bool
):
    topology = Topology(bus)
    before = await topology.heal([SCORE])
    pull = PullLoop(bus, subjects.STREAM_TASKS, "fn-default-acme-score", window=16)
    await pull.start()
    healed = asyncio.Event()

    async def heal() -> None:
        await topology.heal([SCORE])
        healed.set()

    bus.on_reconnect(heal)
    nats_server.restart(wiped=wiped)
    await asyncio.wait_for(healed.wait(), 5)
    after = await topology.incarnations()
    assert after[subjects.STREAM_TASKS] != before[subjects.STREAM_TASKS]
    assert (after[subjects.STREAM_EVENTS] != before[subjects.STREAM_EVENTS]) is wiped
    await bus.publish_acked(SUBJECT, b"after")
    (delivery,) = await asyncio.wait_for(pull.take(10), 5)
    assert (delivery.data, delivery.deliveries) == (b"after", 1)
    await pull.stop()


async def test_a_pull_gives_everything_once_and_asks_again_by_itself(bus: Bus):
    await Topology(bus).heal([SCORE])
    pull = PullLoop(bus, subjects.STREAM_TASKS, "fn-default-acme-score", window=8)
    await pull.start()
    for n in range(100):
        bus.publish(SUBJECT, str(n).encode())
    got: list[int] = []
    async with asyncio.timeout(5):
        while len(got) < 100:
            for delivery in await pull.take(1000):
                got.append(int(delivery.data))
                delivery.ack()
    assert got == list(range(100))
    await pull.stop()


async def test_what_was_handed_back_comes_again_and_says_so(bus: Bus):
    await Topology(bus).heal([SCORE])
    pull = PullLoop(bus, subjects.STREAM_TASKS, "fn-default-acme-score", window=8)
    await pull.start()
    bus.publish(SUBJECT, b"x")
    (first,) = await pull.take(1)
    first.nak()
    (second,) = await asyncio.wait_for(pull.take(1), 5)
    assert (first.deliveries, second.deliveries) == (1, 2)
    await pull.stop()


async def test_a_consumer_made_later_is_found_by_a_pull_that_waits(bus: Bus):
    topology = Topology(bus)
    await topology.heal()
    pull = PullLoop(bus, subjects.STREAM_TASKS, "fn-default-acme-score", window=8)
    await pull.start()
    await bus.publish_acked(SUBJECT, b"x")
    await topology.ensure_function(SCORE)
    (delivery,) = await asyncio.wait_for(pull.take(1), 10)
    assert delivery.data == b"x"
    await pull.stop()


async def test_the_oldest_message_of_a_subject_is_known(bus: Bus):
    topology = Topology(bus)
    await topology.heal([SCORE])
    assert await topology.oldest(subjects.STREAM_TASKS, SUBJECT) is None
    await bus.publish_acked(SUBJECT, b"x")
    first = await topology.oldest(subjects.STREAM_TASKS, SUBJECT)
    await bus.publish_acked(SUBJECT, b"y")
    assert first is not None
    assert await topology.oldest(subjects.STREAM_TASKS, SUBJECT) == first


async def test_a_bus_without_a_server_keeps_trying(nats_server: NatsServer):
    nats_server.kill()
    bus = await Bus.connect(nats_server.url(), "patient", wait_s=0.2)
    assert not bus.connected
    back = asyncio.Event()
    bus.on_reconnect(back.set)
    nats_server.restart()
    await eventually(lambda: bus.connected)
    await bus.close()
