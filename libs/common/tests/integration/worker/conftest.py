"""A stand-in for the orchestrator that speaks the real protocol, and a worker served in the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from kit.servers import NatsServer
from kit.waiting import LIMIT_S, eventually
from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.bus import Bus, Message
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import TaskHeartbeat, TaskResult, WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.task_messages import (
    Claim,
    ClaimAnswer,
    ClaimVerdict,
    Registered,
    Registration,
    TaskMessage,
)
from visapi_common.core.errors import Fault
from visapi_common.telemetry.setup import open_metrics
from visapi_common.telemetry.spans import Spans
from visapi_common.worker import Worker


class StandInOrchestrator:
    """Registers functions, sends tasks, answers claims, collects results and heartbeats."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.topology = Topology(bus)
        self.ids = RandomIds()
        self.registrations: list[Registration] = []
        self.refusal: str | None = None
        self.claims: list[Claim] = []
        self.verdict = ClaimVerdict.GRANTED
        self.garbled_claims = 0
        self.results: list[TaskResult] = []
        self.heartbeats: list[TaskHeartbeat] = []

    async def start(self) -> None:
        await self.topology.heal()
        await self.bus.subscribe(subjects.CONTROL_REGISTER_ALL, self._register)
        await self.bus.subscribe(subjects.CONTROL_CLAIM_ALL, self._claim)
        self._pull = PullLoop(self.bus, subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS, window=512)
        await self._pull.start()
        self._reader = asyncio.ensure_future(self._read())

    async def stop(self) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._pull.stop()

    async def heal(self) -> None:
        """Re-create the streams, as soon as NATS is there again."""

        async def healed() -> bool:
            try:
                await self.topology.heal()
            except Fault:
                return False
            return True

        await eventually(healed)

    async def send(self, function: str, value: Any = None, **changes: Any) -> TaskMessage:
        """Publish a task as the orchestrator would."""
        run = self.ids.uuid7()
        message = TaskMessage(
            run=run,
            path="/do/0/step",
            attempt=1,
            tenant="default",
            function=function,
            workflow=WorkflowRef("test", "kit", "1.0.0"),
            name="step",
            pointer="/do/0/step",
            input=inline(msgspec.json.encode(value)),
            effect_key="ab" * 32,
            token="cd" * 32,
            reply=subjects.result(run),
        )
        message = msgspec.structs.replace(message, **changes)
        await self.bus.publish_acked(subjects.task("default", function), msgspec.json.encode(message))
        return message

    async def result_of(self, message: TaskMessage, within_s: float = LIMIT_S) -> TaskResult:
        """Wait for the first result of a task."""

        def first() -> TaskResult | None:
            wanted = (message.run, message.attempt)
            return next((one for one in self.results if (one.run, one.attempt) == wanted), None)

        found = await eventually(first, within_s=within_s)
        assert found is not None
        return found

    async def acknowledges_all(self, function: str) -> None:
        """Wait until no task of a function waits or is unacknowledged."""

        async def none_left() -> bool:
            return await self.unacknowledged(function) == 0

        await eventually(none_left)

    async def unacknowledged(self, function: str) -> int:
        """Tasks of a function that wait or are unacknowledged, as its consumer reports."""
        consumer = subjects.task_consumer("default", function)
        answer = await self.bus.request(f"$JS.API.CONSUMER.INFO.{subjects.STREAM_TASKS}.{consumer}", b"", 2.0)
        info = msgspec.json.decode(answer.data)
        return info["num_pending"] + info["num_ack_pending"]

    async def _register(self, message: Message) -> None:
        registration = msgspec.json.decode(message.data, type=Registration)
        self.registrations.append(registration)
        consumers: dict[str, str] = {}
        for function in registration.functions:
            consumers[function.name] = await self.topology.ensure_function(
                FunctionConsumer(registration.tenant, function.name, function.concurrency)
            )
        message.respond(msgspec.json.encode(Registered(consumers, error=self.refusal)))

    async def _claim(self, message: Message) -> None:
        self.claims.append(msgspec.json.decode(message.data, type=Claim))
        if len(self.claims) <= self.garbled_claims:
            message.respond(b"?")
            return
        message.respond(msgspec.json.encode(ClaimAnswer(self.verdict)))

    async def _read(self) -> None:
        while True:
            for delivery in await self._pull.take(256):
                if delivery.subject.endswith(".result"):
                    self.results.append(msgspec.json.decode(delivery.data, type=TaskResult))
                elif delivery.subject.endswith(".heartbeat"):
                    self.heartbeats.append(msgspec.json.decode(delivery.data, type=TaskHeartbeat))
                delivery.ack()


class Served:
    """A worker that serves in a task of the test; `stop` drains it as SIGTERM would."""

    def __init__(self, worker: Worker, bus: Bus, payloads: PayloadStore | None) -> None:
        self.bus = bus
        self.stopping = asyncio.Event()
        self.ready = asyncio.Event()
        self.metrics = open_metrics()
        self.task = asyncio.ensure_future(
            worker.serve(
                bus,
                tenant="default",
                stopping=self.stopping,
                metrics=self.metrics,
                spans=Spans(),
                payloads=payloads,
                ready=lambda ok: self.ready.set(),
            )
        )

    async def stop(self) -> None:
        self.stopping.set()
        await asyncio.wait([self.task], timeout=10)
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.bus.close()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def orchestrator(nats_server: NatsServer) -> AsyncIterator[StandInOrchestrator]:
    bus = await Bus.connect(nats_server.url("orchestrator"), "stand-in")
    stand_in = StandInOrchestrator(bus)
    await stand_in.start()
    yield stand_in
    await stand_in.stop()
    await bus.close()


@pytest.fixture
async def serve(nats_server: NatsServer, orchestrator: StandInOrchestrator) -> AsyncIterator[Serve]:
    """Serve a worker with the rights of a tenant's own workers."""
    async with AsyncExitStack() as stack:

        async def start(worker: Worker, payloads: PayloadStore | None = None) -> Served:
            bus = await Bus.connect(nats_server.url("worker"), worker.name)
            served = Served(worker, bus, payloads)
            stack.push_async_callback(served.stop)
            ready = asyncio.ensure_future(served.ready.wait())
            await asyncio.wait([ready, served.task], timeout=10, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            return served

        yield start
