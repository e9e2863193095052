"""`kernel.ports.RunQueue` and `timing.due_work.DueQueue`: the pump. `batches.pump.Advancer`: the transitions.
`tasks.claims.WorkerRequest`: a request over NATS.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from kit.fakes.deliveries import FakeRequest, FakeSource
from kit.fakes.lanes import FakeLanes, FakeQueue
from kit.fakes.transitions import TransitionWorld
from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus
from visapi_common.core.errors import TransientFault
from visapi_common.core.keyrings import Keyring
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.batches.pump import Advancer, Pump
from visapi_orchestrator.batches.reading import Intake
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages
from visapi_orchestrator.tasks.claims import WorkerRequest
from visapi_orchestrator.timing.due_work import DueQueue

Taken = Callable[[], Awaitable[list[UUID]]]


@pytest.fixture(params=["fake", "pump"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[tuple[DueQueue, Taken]]:
    """The queue, and the runs whose messages came out of it."""
    if request.param == "fake":
        fake = FakeQueue()

        async def taken() -> list[UUID]:
            return [messages.run for messages in fake.taken] + [run for _, run in fake.pending]

        yield fake, taken
        return
    lanes, metrics = FakeLanes(), open_metrics()
    intake = Intake(
        keys=Keyring.of(b"k" * 32), metrics=metrics, beat=lambda _: None, unreadable=lambda *_: None
    )
    pump = Pump(
        results=FakeSource(),
        triggers=FakeSource(),
        intake=intake,
        transitions=lanes,
        metrics=metrics,
        batch_max=32,
    )

    async def advanced() -> list[UUID]:
        running = [asyncio.ensure_future(lane()) for lane in pump.lanes(1)]
        await eventually(lambda: not pump.backlog)
        pump.stop()
        await asyncio.gather(*running)
        return [run for number in range(len(lanes.batches)) for run in lanes.runs(number)]

    yield pump, advanced


async def test_claimed_rows_and_pending_runs_are_taken_in_the_order_of_their_claims(
    queue: tuple[DueQueue, Taken],
):
    due, taken = queue
    runs = [uuid4() for _ in range(4)]
    due.put([RunMessages(run, timers=[DueTimer("t", 0)]) for run in runs[:2]])
    due.put_pending([("default", run) for run in runs[2:]])
    assert await taken() == runs


async def test_nothing_waits_in_a_new_queue(queue: tuple[DueQueue, Taken]):
    due, taken = queue
    assert (due.started, due.starting, due.deferred) == (0, 0, 0)
    due.put([])
    due.put_pending([])
    assert await taken() == []


@pytest.fixture(params=["fake", "transitions"])
def advancer(request: pytest.FixtureRequest) -> tuple[Advancer, TransitionWorld, Callable[[], None]]:
    """What advances, the world of its runs, and a function that makes the next batch fail."""
    world = TransitionWorld()
    if request.param == "transitions":
        return (
            world.transitions,
            world,
            lambda: world.ledger.faults.plan("write", *[TransientFault("away")] * 9),
        )
    lanes = FakeLanes()

    def fail() -> None:
        lanes.well = False

    return lanes, world, fail


async def test_a_batch_says_whether_all_went_well(
    advancer: tuple[Advancer, TransitionWorld, Callable[[], None]],
):
    advancing, world, fail = advancer
    freed: list[Any] = []
    assert await advancing.advance([world.accepted("do: [{a: {call: acme.a}}]")], freed.extend)
    assert advancing.slow_runs.waiting() == []
    fail()
    assert not await advancing.advance([world.accepted("do: [{a: {call: acme.a}}]")], freed.extend)


@pytest.fixture(params=["fake", "nats"])
async def requesting(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[WorkerRequest, Callable[[], Awaitable[bytes]]]]:
    """A request, and what its sender is answered."""
    if request.param == "fake":
        fake = FakeRequest("visapi.control.claim.default", b"{}")

        async def said() -> bytes:
            return fake.replies[0]

        yield fake, said
        return
    server: NatsServer = request.getfixturevalue("shared_nats")
    bus = await Bus.connect(server.url("admin"), "test")
    arrived: asyncio.Queue[WorkerRequest] = asyncio.Queue()
    await bus.subscribe("visapi.control.claim.default", arrived.put_nowait)
    reply = asyncio.ensure_future(bus.request("visapi.control.claim.default", b"{}", timeout_s=5))

    async def heard() -> bytes:
        return (await reply).data

    yield await arrived.get(), heard
    await bus.close()


async def test_a_request_is_answered_to_its_sender(
    requesting: tuple[WorkerRequest, Callable[[], Awaitable[bytes]]],
):
    request, answer = requesting
    assert (request.subject, request.data, request.answerable) == (
        "visapi.control.claim.default",
        b"{}",
        True,
    )
    request.respond(b"yes")
    assert await answer() == b"yes"
