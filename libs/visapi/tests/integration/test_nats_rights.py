"""Every NATS user of the stack is tried against everything that it may and may not do."""

import asyncio
from uuid import UUID

import nats
import pytest
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from kit.servers import NatsServer
from visapi.admin.nats_rights import NOTIFIER_FUNCTIONS, PDF_FUNCTIONS, USERS
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects

RUN = UUID("01932f4e-7c00-7000-8000-000000000001")
SERVICES = {"gateway", "orchestrator", "pdf-worker", "notifier", "worker"}
WORKERS = {"pdf-worker", "notifier", "worker"}
BUILTIN_WORKERS = {"pdf-worker", "notifier"}

PUBLISHES = {
    subjects.trigger(RUN): {"gateway", "orchestrator"},
    subjects.inbox(RUN): {"gateway", "orchestrator"},
    subjects.event("default", "com.example.paid"): {"orchestrator", "worker"},
    subjects.event("another", "com.example.paid"): {"orchestrator"},
    subjects.lifecycle("default", "io.x.v1"): {"orchestrator"},
    subjects.CONTROL_EVENTS: {"gateway"},
    subjects.CONTROL_REPLAYS: {"gateway"},
    subjects.CONTROL_KEYS: {"gateway"},
    subjects.result(RUN): WORKERS,
    subjects.heartbeat(RUN): WORKERS,
    subjects.register("_"): BUILTIN_WORKERS,
    subjects.register("default"): {"worker"},
    subjects.register("another"): set[str](),
    "visapi.control.register": set[str](),
    subjects.claim("_"): BUILTIN_WORKERS,
    subjects.claim("default"): {"worker"},
    subjects.claim("another"): set[str](),
    "visapi.control.claim": set[str](),
    subjects.CONTROL_TEMPLATES: BUILTIN_WORKERS,
    subjects.CONTROL_ACCOUNTS: {"gateway"},
    subjects.CONTROL_CANCELLED: {"orchestrator"},
    subjects.task("default", "pdf.render"): {"orchestrator"},
    subjects.task("default", "acme.score"): {"orchestrator"},
    subjects.live("default", RUN): {"orchestrator"},
    subjects.dead_letter("orchestrator", "poison"): {"orchestrator"},
    subjects.dead_letter("notifier", "poison"): {"orchestrator", "notifier"},
    subjects.dead_letter("pdf-worker", "poison"): {"orchestrator", "pdf-worker"},
    "$JS.API.STREAM.CREATE.ENGINE": {"orchestrator"},
    "$JS.API.STREAM.DELETE.ENGINE": set[str](),
    "$JS.API.STREAM.PURGE.EVENTS": {"orchestrator"},
    "$JS.API.STREAM.PURGE.TASKS": {"orchestrator"},
    "$JS.API.STREAM.CREATE.LIFECYCLE": {"orchestrator"},
    "$JS.API.CONSUMER.MSG.NEXT.LIFECYCLE.lifecycle": {"worker"},
    "$JS.API.CONSUMER.CREATE.LIFECYCLE.mine": {"orchestrator"},
    "$JS.API.STREAM.CREATE.ANOTHER": set[str](),
    "$JS.API.STREAM.MSG.GET.TASKS": {"orchestrator"},
    "$JS.API.STREAM.MSG.DELETE.TASKS": set[str](),
    "$JS.API.CONSUMER.CREATE.TASKS.fn-default-acme-score": {"orchestrator"},
    "$JS.API.CONSUMER.MSG.NEXT.ENGINE.engine-results": {"orchestrator"},
    "$JS.API.CONSUMER.MSG.NEXT.TASKS.fn-builtin-pdf-render": {"pdf-worker"},
    "$JS.API.CONSUMER.MSG.NEXT.TASKS.fn-builtin-notify-email": {"notifier"},
    "$JS.API.CONSUMER.MSG.NEXT.TASKS.fn-default-acme-score": {"worker"},
    "$JS.ACK.TASKS.fn-builtin-pdf-render.1.1.1.1.0": {"pdf-worker"},
    "$JS.ACK.TASKS.fn-builtin-notify-email.1.1.1.1.0": {"notifier"},
    "$JS.ACK.TASKS.fn-default-acme-score.1.1.1.1.0": {"worker"},
    "$JS.ACK.ENGINE.engine-results.1.1.1.1.0": {"orchestrator"},
    "anything.else": set[str](),
    "$SYS.REQ.SERVER.PING": set[str](),
}
SUBSCRIBES = {
    "visapi.live.>": {"gateway"},
    subjects.CONTROL_KEYS: {"gateway"},
    subjects.CONTROL_CANCELLED: BUILTIN_WORKERS,
    subjects.CONTROL_REGISTER_ALL: {"orchestrator"},
    subjects.register("default"): {"orchestrator"},
    subjects.CONTROL_CLAIM_ALL: {"orchestrator"},
    subjects.CONTROL_ACCOUNTS: {"notifier"},
    subjects.CONTROL_EVENTS: {"orchestrator"},
    subjects.CONTROL_REPLAYS: {"orchestrator"},
    "visapi.engine.>": set[str](),
    subjects.TASKS_ALL: set[str](),
    subjects.EVENTS_ALL: set[str](),
    subjects.event("default", ">"): {"worker"},
    subjects.event("another", ">"): set[str](),
    subjects.LIFECYCLE_ALL: set[str](),
    subjects.lifecycle("default", ">"): {"worker"},
    subjects.lifecycle("another", ">"): set[str](),
    "_INBOX.>": {"worker"},
    "_INBOX.anybody.x": {"worker"},
    "_INBOX.gateway.x": {"gateway"},
    "_INBOX.orchestrator.x": {"orchestrator"},
    "_INBOX.notifier.x": {"notifier"},
    ">": set[str](),
}


class Probe:
    """One user's connection that remembers what it was refused."""

    def __init__(self) -> None:
        self.client = Client()
        self.refused: list[str] = []

    async def connect(self, url: str) -> None:
        await self.client.connect(url, error_cb=self._on_error)

    async def _on_error(self, error: Exception) -> None:
        self.refused.append(str(error).lower())

    async def may_publish(self, subject: str) -> bool:
        self.refused.clear()
        await self.client.publish(subject, b"{}")
        return await self._settled()

    async def may_subscribe(self, subject: str) -> bool:
        self.refused.clear()
        await self.client.subscribe(subject)
        return await self._settled()

    async def _settled(self) -> bool:
        """The server answers a PING after everything before it; nats-py's first PING may overtake
        what it has not written yet, the second one cannot."""
        await self.client.flush(timeout=2)
        await self.client.flush(timeout=2)
        await asyncio.sleep(0)
        return not any("permissions violation" in text for text in self.refused)


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_publish_its_own_subjects_and_no_others(shared_nats: NatsServer, user: str):
    probe = Probe()
    await probe.connect(shared_nats.url(user))
    allowed = {subject for subject in PUBLISHES if await probe.may_publish(subject)}
    await probe.client.close()
    assert allowed == {subject for subject, users in PUBLISHES.items() if user in users}


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_hear_its_own_subjects_and_no_others(shared_nats: NatsServer, user: str):
    probe = Probe()
    await probe.connect(shared_nats.url(user))
    allowed = {subject for subject in SUBSCRIBES if await probe.may_subscribe(subject)}
    await probe.client.close()
    assert allowed == {subject for subject, users in SUBSCRIBES.items() if user in users}


async def test_whoever_names_inboxes_as_they_please_hears_nothing_of_the_services(shared_nats: NatsServer):
    worker, admin = Client(), Client()
    await worker.connect(shared_nats.url("worker"))
    await admin.connect(shared_nats.url())
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    for subject in ("_INBOX.>", "_INBOX.*.*"):
        await worker.subscribe(subject, cb=hear)
    await worker.flush()
    for subject in ("_INBOX.gateway.x", "_INBOX.orchestrator.x", "_INBOX.notifier.x", "_INBOX.mine.x"):
        await admin.publish(subject, b"secret")
    await admin.flush()
    await worker.drain()
    await admin.close()
    assert set(heard) == {"_INBOX.mine.x"}


async def test_nobody_connects_without_a_password(nats_server: NatsServer):
    with pytest.raises(nats_errors.Error):
        await nats.connect(f"nats://127.0.0.1:{nats_server.port}", allow_reconnect=False)


async def test_the_rights_suffice_for_a_task_and_its_way_back(nats_server: NatsServer):
    """Topology, a task, its pull, its result with a PubAck, its ack, a registration answered."""
    orchestrator = await Bus.connect(nats_server.url("orchestrator"), "orchestrator")
    functions = [
        FunctionConsumer(subjects.BUILTIN, name, 4) for name in (*PDF_FUNCTIONS, *NOTIFIER_FUNCTIONS)
    ]
    await Topology(orchestrator).heal([*functions, FunctionConsumer("default", "acme.score", 4)])
    await orchestrator.subscribe(
        subjects.CONTROL_REGISTER_ALL, lambda request: request.respond(b"welcome"), queue="o"
    )
    results = PullLoop(orchestrator, subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS, window=8)
    await results.start()
    for user, owner, function in (
        ("pdf-worker", "_", "pdf.render"),
        ("notifier", "_", "notify.slack"),
        ("worker", "default", "acme.score"),
    ):
        worker = await Bus.connect(nats_server.url(user), user)
        assert (await worker.request(subjects.register(owner), b"{}", 2)).data == b"welcome"
        pull = PullLoop(worker, subjects.STREAM_TASKS, subjects.task_consumer(owner, function), window=4)
        await pull.start()
        await orchestrator.publish_acked(subjects.task("default", function), b"work", msg_id=function)
        [task] = await asyncio.wait_for(pull.take(1), 5)
        await worker.publish_acked(subjects.result(RUN), function.encode(), msg_id=f"r-{function}")
        task.ack()
        await worker.flush()
        [result] = await asyncio.wait_for(results.take(1), 5)
        result.ack()
        assert result.data == function.encode()
        assert await Topology(orchestrator).pending(subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS) == 0
        await pull.stop()
        await worker.close()
    await results.stop()
    await orchestrator.close()
