"""The service as a process: a task over NATS becomes a stored PDF, also when Chromium is killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.adapters.bus import Bus, Message
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Outcome, TaskResult, WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.task_messages import Registered, Registration, TaskMessage
from visapi_common.core.errors import PermanentFault
from visapi_pdf_worker.browser import chromium


class Service:
    """A running pdf-worker and the orchestrator's side of its NATS."""

    def __init__(self, bus: Bus, pull: PullLoop, store: ArtifactStore) -> None:
        self.bus = bus
        self.pull = pull
        self.store = store
        self.metrics = ""
        self.process: asyncio.subprocess.Process

    async def send(self, **document: object) -> TaskMessage:
        run = RandomIds().uuid7()
        message = TaskMessage(
            run=run,
            path="/do/0/render",
            attempt=1,
            tenant="default",
            function="pdf.render",
            workflow=WorkflowRef("test", "pdf", "1.0.0"),
            name="render",
            pointer="/do/0/render",
            input=inline(msgspec.json.encode(document)),
            effect_key="ab" * 32,
            token="cd" * 32,
            reply=subjects.result(run),
        )
        await self.bus.publish_acked(subjects.task("default", "pdf.render"), msgspec.json.encode(message))
        return message

    async def results(self, count: int, timeout_s: float = 30.0) -> list[TaskResult]:
        found: list[TaskResult] = []
        async with asyncio.timeout(timeout_s):
            while len(found) < count:
                for delivery in await self.pull.take(64):
                    delivery.ack()
                    if delivery.subject.endswith(".result"):
                        found.append(msgspec.json.decode(delivery.data, type=TaskResult))
        return found

    async def ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.metrics}/readyz")).status_code == 200


@pytest.fixture
async def service(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Service]:
    try:
        chromium.find("", "")
    except PermanentFault:
        pytest.skip("NO CHROMIUM FOUND: the service was not tested; run 'make setup'")
    bus = await Bus.connect(nats_server.url("orchestrator"), "stand-in")
    topology = Topology(bus)
    await topology.heal()

    async def register(message: Message) -> None:
        (function,) = msgspec.json.decode(message.data, type=Registration).functions
        consumer = await topology.ensure_function(FunctionConsumer("_", function.name, function.concurrency))
        message.respond(msgspec.json.encode(Registered({function.name: consumer})))

    await bus.subscribe(subjects.CONTROL_REGISTER_ALL, register)
    pull = PullLoop(bus, subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS, window=64)
    await pull.start()
    url = f"file://{tmp_path}/artifacts"
    running = Service(bus, pull, ArtifactStore.open(url))
    running.process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "visapi_pdf_worker",
        stdout=asyncio.subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],
            "VISAPI_NATS_URL": nats_server.url("pdf-worker"),
            "VISAPI_ARTIFACTS_URL": url,
            "VISAPI_CHROMIUM_SANDBOX": os.environ.get("VISAPI_CHROMIUM_SANDBOX", "on"),
        },
    )
    assert running.process.stdout is not None
    while line := await running.process.stdout.readline():
        event = msgspec.json.decode(line)
        if event["event"] == "started":
            running.metrics = f"http://127.0.0.1:{event['metrics_port']}"
        if event["event"] == "ready":
            break
    yield running
    if running.process.returncode is None:
        running.process.kill()
        await running.process.wait()
    await pull.stop()
    await bus.close()


async def test_a_task_becomes_a_pdf_in_the_store_and_a_reference_in_the_result(service):
    task = await service.send(html="<h1>Hello</h1>", options={"name": "hello.pdf"})
    (result,) = await service.results(1)
    assert (result.outcome, result.run, result.token) == (Outcome.COMPLETED, task.run, task.token)
    output = msgspec.json.decode(result.output.inline)
    assert output["pages"] == output["artifact"]["pages"] == 1
    assert output["artifact"]["media_type"] == "application/pdf"
    assert (await service.store.get("default", output["artifact"]["id"])).startswith(b"%PDF")
    assert await service.ready()


async def test_a_document_that_is_wrong_is_a_validation_error(service):
    await service.send(html="x", options={"papr": "A4"})
    (result,) = await service.results(1)
    assert result.outcome is Outcome.FAULTED
    assert result.error.type.endswith("/validation")
    assert "papr" in result.error.detail


async def test_killing_chromium_during_work_loses_no_task(service):
    count = 60
    for number in range(count):
        await service.send(html=f"<h1>{number}</h1>" + "<p>text</p>" * 200)
    first = await service.results(5)
    os.kill(browser_of(service.process.pid), signal.SIGKILL)
    rest = await service.results(count - len(first))
    assert {result.outcome for result in (*first, *rest)} == {Outcome.COMPLETED}
    assert len({result.run for result in (*first, *rest)}) == count


async def test_sigterm_ends_the_service_and_everything_it_started(service):
    browser = browser_of(service.process.pid)
    service.process.terminate()
    assert await asyncio.wait_for(service.process.wait(), 20) == 0
    assert not alive(browser)


async def test_killing_the_service_ends_its_browser(service):
    browser = browser_of(service.process.pid)
    service.process.kill()
    await eventually(lambda: not alive(browser))


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def browser_of(service: int) -> int:
    """The browser process: the grandchild of the service, behind Playwright's driver."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(text.rpartition(")")[2].split()[1])
    drivers = {pid for pid, parent in parents.items() if parent == service}
    for pid, parent in parents.items():
        command = Path(f"/proc/{pid}/cmdline")
        if parent in drivers and b"--remote-debugging-pipe" in command.read_bytes():
            return pid
    raise AssertionError("the service has no browser")
