"""Ports that are not PostgreSQL: NATS, the engine, the artifact store, ids and clocks; each fake beside the real one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from kit.fakes.clocks import CountingIds, FakeClock
from kit.fakes.deliveries import FakeDelivery, FakeSource
from kit.fakes.engine import InlineEngine
from kit.fakes.nats import FakeLifecycleStream, FakeNats
from kit.fakes.payloads import FakePayloads
from kit.fakes.rows import FakeRows
from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.clocks import MonotonicClock
from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault
from visapi_common.core.ids import Ids, time_ms_of
from visapi_engine.machine.events import Started
from visapi_engine.process.pool import EnginePool
from visapi_engine.process.protocol import Limits, Work
from visapi_orchestrator.batches.pump import AnnouncedMessages
from visapi_orchestrator.events.lifecycle_relay import LifecycleStream
from visapi_orchestrator.events.rules.lifecycle import EventOrigin, LifecycleEvent
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent
from visapi_orchestrator.tasks.streams import JetStreamLifecycle, JetStreams
from visapi_orchestrator.transitions.ports import Engine, Payloads

PDF = "pdf.render"
SHARED = subjects.task(subjects.BUILTIN, PDF)
LARGE = b'"%b"' % (b"x" * 70_000)


@dataclass(kw_only=True)
class Carrier:
    """NATS as the orchestrator's services name it."""

    publisher: Any
    """`kernel.ports.Publisher`."""
    streams: Any
    """`tasks.registry.Streams`, `tasks.sweep.TaskStream`, `tasks.releases.QueuedTasks`."""
    lifecycle: LifecycleStream
    told: Callable[[], Awaitable[int]]
    """How many lifecycle events are stored."""
    source: Callable[[], Awaitable[AnnouncedMessages]]
    """The consumer of results."""
    cut: Callable[[], Awaitable[None]]
    """The connection is lost."""


def fake_carrier() -> Carrier:
    nats, lifecycle, source = FakeNats(FakeRows()), FakeLifecycleStream(), FakeSource()

    class Publishing:
        def publish(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
            nats.publish(subject, body, headers)
            if subject.endswith(".result"):
                source.arrive(FakeDelivery(subject, body))

    async def told() -> int:
        return len(lifecycle.stored)

    async def opened() -> AnnouncedMessages:
        return source

    async def cut() -> None:
        nats.connected = False

    return Carrier(
        publisher=Publishing(), streams=nats, lifecycle=lifecycle, told=told, source=opened, cut=cut
    )


@pytest.fixture(params=["fake", "nats"])
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    if request.param == "fake":
        yield fake_carrier()
        return
    server: NatsServer = request.getfixturevalue("nats_server")
    bus = await Bus.connect(server.url("admin"), "test")
    topology = Topology(bus)
    pulls: list[PullLoop] = []

    async def told() -> int:
        return await topology.pending(subjects.STREAM_LIFECYCLE, subjects.CONSUMER_LIFECYCLE) or 0

    async def opened() -> AnnouncedMessages:
        pulls.append(PullLoop(bus, subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS, window=16))
        await pulls[0].start()
        return pulls[0]

    async def cut() -> None:
        server.kill()
        await eventually(lambda: not bus.connected)

    yield Carrier(
        publisher=bus,
        streams=JetStreams(topology, bus),
        lifecycle=JetStreamLifecycle(bus),
        told=told,
        source=opened,
        cut=cut,
    )
    for pull in pulls:
        await pull.stop()
    await bus.close()


class TestStreams:
    async def test_have_the_same_incarnation_until_one_is_lost(self, carrier: Carrier):
        first = await carrier.streams.heal()
        assert set(first) == {"ENGINE", "TASKS", "EVENTS", "DLQ", "LIFECYCLE"}
        assert await carrier.streams.heal() == first

    async def test_name_the_consumer_of_a_function_by_its_owner(self, carrier: Carrier):
        await carrier.streams.heal()
        for _ in range(2):
            made = await carrier.streams.ensure_function("default", FunctionSpec("acme.a"))
            assert made == "fn-default-acme-a"

    async def test_count_the_tasks_that_no_worker_has_taken(self, carrier: Carrier):
        await carrier.streams.heal()
        assert await carrier.streams.tasks_queued(PDF) is None, "no worker has ever announced it"
        await carrier.streams.ensure_function(subjects.BUILTIN, FunctionSpec(PDF))
        for number in range(3):
            carrier.publisher.publish(SHARED, b"{}", {"Nats-Msg-Id": str(number)})
        await eventually(lambda: _is(carrier.streams.tasks_queued(PDF), 3))

    async def test_drop_a_task_whose_id_came_before(self, carrier: Carrier):
        await carrier.streams.heal()
        await carrier.streams.ensure_function(subjects.BUILTIN, FunctionSpec(PDF))
        for identity in ("a", "a", "b"):
            carrier.publisher.publish(SHARED, b"{}", {"Nats-Msg-Id": identity})
        await eventually(lambda: _is(carrier.streams.tasks_queued(PDF), 2))

    async def test_tell_when_the_oldest_task_was_stored(self, carrier: Carrier):
        await carrier.streams.heal()
        await carrier.streams.ensure_function(subjects.BUILTIN, FunctionSpec(PDF))
        assert await carrier.streams.oldest_task(SHARED) is None
        carrier.publisher.publish(SHARED, b"{}")
        oldest = await eventually(lambda: carrier.streams.oldest_task(SHARED))
        assert isinstance(oldest, datetime)
        assert oldest.tzinfo is not None
        assert await carrier.streams.oldest_task(subjects.task("default", "acme.a")) is None

    async def test_count_the_results_that_nobody_has_taken(self, carrier: Carrier):
        await carrier.streams.heal()
        assert await carrier.streams.results_waiting() == 0
        run = uuid4()
        for subject in (subjects.result(run), subjects.inbox(run), subjects.trigger(run)):
            carrier.publisher.publish(subject, b"{}")
        await eventually(lambda: _is(carrier.streams.results_waiting(), 2))


async def _is(found: Awaitable[Any], wanted: Any) -> bool:
    return await found == wanted


async def test_without_a_connection_publishing_is_refused(carrier: Carrier):
    await carrier.cut()
    with pytest.raises(TransientFault):
        carrier.publisher.publish("visapi.live.default.x", b"{}")


async def test_a_source_gives_what_arrived_in_its_order_and_wakes_who_waits(carrier: Carrier):
    await carrier.streams.heal()
    source, woken = await carrier.source(), asyncio.Event()
    source.on_arrival(woken)
    assert (source.waiting, list(source.take_nowait(10))) == (0, [])
    run = uuid4()
    for body in (b"1", b"2", b"3"):
        carrier.publisher.publish(subjects.result(run), body)
    await woken.wait()
    await eventually(lambda: source.waiting == 3)
    assert [one.data for one in source.take_nowait(2)] == [b"1", b"2"]
    (last,) = source.take_nowait(2)
    assert (last.subject, last.data, source.waiting) == (subjects.result(run), b"3", 0)
    last.ack()


@pytest.mark.parametrize("singly", [False, True])
async def test_lifecycle_events_that_come_twice_are_stored_once(carrier: Carrier, singly: bool):
    await carrier.streams.heal()
    run, origin = uuid4(), EventOrigin(WorkflowRef("test", "flow", "1.0.0"))
    events = [
        LifecycleEvent(run, "workflow", origin, ArrivedEvent("default", "/w", f"{run}:{n}", b"{}", "io.x.v1"))
        for n in range(3)
    ]
    await carrier.lifecycle.publish(events, singly=singly)
    await carrier.lifecycle.publish(events, singly=True)
    assert await carrier.told() == 3


@pytest.fixture(params=["fake", "store"])
def payloads(request: pytest.FixtureRequest, tmp_path: Path) -> Payloads:
    return FakePayloads() if request.param == "fake" else PayloadStore.open(f"file://{tmp_path}")


class TestPayloads:
    async def test_a_small_value_stays_inline(self, payloads: Payloads):
        packed = await payloads.pack("default", b'{"n":1}')
        assert packed.ref is None
        assert await payloads.unpack("default", packed) == b'{"n":1}'

    async def test_a_large_value_is_stored_under_its_hash(self, payloads: Payloads):
        packed = await payloads.pack("default", LARGE)
        assert (packed.inline, packed.size) == (msgspec.UNSET, len(LARGE))
        assert packed == await payloads.pack("default", LARGE)
        assert await payloads.unpack("default", packed) == LARGE

    async def test_a_value_of_another_tenant_is_refused(self, payloads: Payloads):
        packed = await payloads.pack("default", LARGE)
        with pytest.raises(PermanentFault):
            await payloads.unpack("other", packed)

    async def test_a_value_that_is_not_there_is_a_problem(self, payloads: Payloads):
        digest = "0" * 64
        with pytest.raises(ProblemError) as problem:
            await payloads.unpack(
                "default", Payload(ref=f"payloads/default/{digest}.json", size=1, sha256=digest)
            )
        assert problem.value.status == 404


@pytest.fixture(params=["fake", "processes"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Engine, InlineEngine]]:
    """The engine, and the one that compiles."""
    inline = InlineEngine()
    if request.param == "fake":
        yield inline, inline
        return

    async def program(digest: str) -> bytes:
        return inline.programs[digest]

    pool = EnginePool(1, program, Limits())
    await pool.start()
    yield pool, inline
    await pool.stop()


async def test_the_engine_answers_every_run_once(engine: tuple[Engine, InlineEngine]):
    asked, compiling = engine
    program = compiling.deploy("do: [{a: {set: {n: '${ .n + 1 }'}}}]")
    works = [_work(program, number) for number in range(5)]
    answers = {answer.run: answer async for answer in asked.advance(works)}
    assert set(answers) == {work.run for work in works}
    outputs = [msgspec.json.decode(answers[work.run].output or b"null") for work in works]
    assert outputs == [{"n": number + 1} for number in range(5)]
    assert {answer.status for answer in answers.values()} == {RunStatus.COMPLETED}


async def test_the_engine_gives_back_a_state_that_it_can_read(engine: tuple[Engine, InlineEngine]):
    asked, compiling = engine
    program = compiling.deploy("do: [{a: {call: acme.a}}]")
    (answer,) = [one async for one in asked.advance([_work(program, 1)])]
    assert (answer.ended, answer.status, len(answer.commands)) == (False, RunStatus.RUNNING, 1)
    assert (answer.first_seq, answer.seq) == (1, len(msgspec.json.decode(answer.items_json)))


def _work(program: str, number: int) -> Work:
    run = uuid4()
    started = Started(now_ms=1_767_268_800_000, run=str(run), input=b'{"n":%d}' % number)
    return Work(run=run, tenant="default", program=program, seq=0, events=[started], handle_key=b"k" * 32)


@pytest.mark.parametrize("ids", [CountingIds(), RandomIds()], ids=["fake", "real"])
def test_ids_are_uuid7_and_never_the_same(ids: Ids):
    made = [ids.uuid7() for _ in range(100)]
    assert ({one.version for one in made}, len(set(made))) == ({7}, 100)
    times = [time_ms_of(one) for one in made]
    assert times == sorted(times)
    assert datetime.fromtimestamp(times[0] / 1000, UTC).year >= 2026


@pytest.mark.parametrize("clock", [FakeClock(), SystemClock()], ids=["fake", "real"])
def test_a_clock_never_goes_back(clock: MonotonicClock):
    first = clock.monotonic()
    assert clock.monotonic() >= first
