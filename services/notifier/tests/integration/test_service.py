"""The whole notifier as a process: tasks over NATS, effects in the world, kill -9 in between."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.account_rows import AccountRows
from kit.servers import Database, NatsServer
from kit.waiting import eventually
from visapi.stack.standins.faults import Fault, FaultKind
from visapi.stack.standins.slack import Slack
from visapi.stack.standins.smtp_sink import SmtpFault, SmtpSink
from visapi.stack.standins.webhook_receiver import WebhookReceiver
from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.adapters.bus import Bus, Message
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import open_pool
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Outcome, TaskResult, WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.task_messages import Registered, Registration, TaskMessage
from visapi_common.core.keyrings import Key, Keyring

KEYS = Keyring((Key(b"s" * 32),))
TOKEN = "xoxb-the-operators"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Desk:
    """Sends tasks to the notifier as the orchestrator does, and collects its answers."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._topology = Topology(bus)
        self._ids = RandomIds()
        self.results: list[TaskResult] = []
        self._jobs: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        await self._topology.heal()
        await self._bus.subscribe(subjects.CONTROL_REGISTER_ALL, self._register)
        self._pull = PullLoop(self._bus, subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS, window=256)
        await self._pull.start()
        self._jobs.append(asyncio.ensure_future(self._read()))

    async def stop(self) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.wait(self._jobs)
        await self._pull.stop()

    async def send(self, function: str, value: Any, key: str, *, attempt: int = 1) -> TaskMessage:
        run = self._ids.uuid7()
        message = TaskMessage(
            run=run,
            path="/do/0/x",
            attempt=attempt,
            tenant="default",
            function=function,
            workflow=WorkflowRef("test", "notifier", "1.0.0"),
            name="x",
            pointer="/do/0/x",
            input=inline(msgspec.json.encode(value)),
            effect_key=key,
            token="t" * 64,
            reply=subjects.result(run),
        )
        await self._bus.publish_acked(subjects.task("default", function), msgspec.json.encode(message))
        return message

    async def result(self, message: TaskMessage) -> TaskResult:
        return (await eventually(lambda: [one for one in self.results if one.run == message.run]))[0]

    async def call(self, function: str, value: Any, key: str) -> TaskResult:
        return await self.result(await self.send(function, value, key))

    async def _register(self, message: Message) -> None:
        registration = msgspec.json.decode(message.data, type=Registration)
        consumers = {
            function.name: await self._topology.ensure_function(
                FunctionConsumer(registration.tenant, function.name, function.concurrency)
            )
            for function in registration.functions
        }
        message.respond(msgspec.json.encode(Registered(consumers)))

    async def _read(self) -> None:
        while True:
            for delivery in await self._pull.take(256):
                if delivery.subject.endswith(".result"):
                    self.results.append(msgspec.json.decode(delivery.data, type=TaskResult))
                delivery.ack()


class Notifier:
    """`python -m visapi_notifier`, started and killed by the test."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "visapi_notifier", env={"PATH": os.environ["PATH"], **self._environ},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    async def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()


@pytest.fixture
async def mails(tmp_path: Path) -> AsyncIterator[SmtpSink]:
    sink = SmtpSink(tmp_path / "mail")
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
async def own_relay() -> AsyncIterator[SmtpSink]:
    sink = SmtpSink(user="acme", password="acme-password")
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver([SECRET], tmp_path / "hooks.jsonl")
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    standin = Slack(TOKEN)
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def desk(nats_server: NatsServer) -> AsyncIterator[Desk]:
    bus = await Bus.connect(nats_server.url("orchestrator"), "desk")
    started = Desk(bus)
    await started.start()
    yield started
    await started.stop()
    await bus.close()


@pytest.fixture
async def notifier(
    nats_server: NatsServer,
    postgres_db: Database,
    tmp_path: Path,
    desk: Desk,
    mails: SmtpSink,
    hooks: WebhookReceiver,
    slack: Slack,
    own_relay: SmtpSink,
) -> AsyncIterator[Notifier]:
    origins = {
        "https://partner.example": hooks.url,
        "https://hooks.slack.com": slack.url,
        "https://slack.com": slack.url,
    }
    started = Notifier(
        {
            "VISAPI_POSTGRES_URL": postgres_db.notifier,
            "VISAPI_NATS_URL": nats_server.url("notifier"),
            "VISAPI_ARTIFACTS_URL": f"file://{tmp_path}/artifacts",
            "VISAPI_SMTP_URL": mails.url,
            "VISAPI_MAIL_FROM": "VisAPI <visa@visa.example>",
            "VISAPI_SLACK_TOKEN": TOKEN,
            "VISAPI_SEALING_KEY": KEYS.keys[0].secret.hex(),
            "VISAPI_EGRESS_ALLOW": own_relay.url.removeprefix("smtp://"),
            "VISAPI_EGRESS_ORIGINS": msgspec.json.encode(origins).decode(),
        }
    )
    await started.start()
    yield started
    await started.end(signal.SIGKILL)


async def test_every_function_reaches_the_world_once(
    notifier: Notifier, desk: Desk, mails: SmtpSink, hooks: WebhookReceiver, slack: Slack, tmp_path: Path
) -> None:
    store = ArtifactStore.open(f"file://{tmp_path}/artifacts")
    ref = await store.put("default", b"%PDF-1.7 visa", "pdf", "application/pdf", "visa.pdf")
    hooks.faults.add(Fault(FaultKind.STATUS, 429, retry_after_s=1))
    wanted = {
        "notify.email": {
            "to": "Ada <ada@example.com>",
            "subject": "Approved",
            "template": "<p>Dear {{ name }}</p>",
            "data": {"name": "Ada & Co"},
            "attachments": [{"artifact": msgspec.to_builtins(ref)}],
        },
        "notify.webhook": {"url": "https://partner.example/hooks", "payload": {"visa": 1}, "secret": SECRET},
        "notify.slack": {"channel": "C1", "text": "Approved"},
        "http.request": {
            "method": "post",
            "endpoint": "https://hooks.slack.com/services/T/B/X",
            "body": {"text": "raw"},
        },
    }
    results = {name: await desk.call(name, value, f"{name:x<64}") for name, value in wanted.items()}
    assert {name: result.outcome for name, result in results.items()} == dict.fromkeys(
        wanted, Outcome.COMPLETED
    )
    [mail] = mails.received
    message = message_from_bytes(mail.content, policy=default)
    assert isinstance(message, EmailMessage)
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "Dear Ada &amp; Co" in html.get_content()
    assert "Dear Ada & Co" in text.get_content()
    assert next(message.iter_attachments()).get_content() == b"%PDF-1.7 visa"
    [hook] = hooks.received
    assert hook["verified"]
    assert hook["id"] == f"{'notify.webhook':x<64}"
    assert [record["message"]["text"] for record in slack.received] == ["Approved", "raw"]
    assert await notifier.end(signal.SIGTERM) == 0


async def test_mails_and_messages_leave_through_the_accounts_of_their_tenant(
    notifier: Notifier, desk: Desk, postgres_db: Database, mails: SmtpSink, own_relay: SmtpSink, slack: Slack
) -> None:
    pool = await open_pool(postgres_db.gateway, size=1, application="test")
    rows = AccountRows(pool, KEYS)
    port = int(own_relay.url.rpartition(":")[2])
    settings = {"host": "127.0.0.1", "port": port, "tls": "off", "from": "Acme <a@acme.example>"}
    credentials = {"username": "acme", "password": "acme-password"}
    await rows.put("mail", kind="smtp", settings=settings, credentials=credentials, default=True)
    await rows.put(
        "bad", kind="smtp", settings=settings, credentials={**credentials, "password": "not-this-one"}
    )
    await rows.put("board", kind="slack", credentials={"token": TOKEN})
    await rows.rotate("board", token="xoxb-not-at-slack-yet")
    await rows.put("nobody", kind="slack", credentials={"token": "xoxb-of-nobody-1234"})
    to, posted = {"to": "ada@example.com", "text": "x"}, {"channel": "C1", "text": "x"}
    for number, (function, value) in enumerate(
        [
            ("notify.email", to),
            ("notify.email", {**to, "account": "mail"}),
            ("notify.slack", {**posted, "account": "board"}),
        ]
    ):
        sent = await desk.call(function, value, f"{number:064d}")
        assert sent.outcome is Outcome.COMPLETED, sent.error
    assert [mail.sender for mail in own_relay.received] == ["a@acme.example"] * 2
    assert (len(mails.received), len(slack.received)) == (0, 1)
    for key, function, value in ((1, "notify.email", to), (2, "notify.slack", posted)):
        gone = await desk.call(function, {**value, "account": "deleted meanwhile"}, f"{key:064d}")
        assert gone.outcome is Outcome.COMPLETED, gone.error
    refused = {
        ("notify.email", "bad"): "password",
        ("notify.email", "absent"): "there is no account 'absent'",
        ("notify.slack", "nobody"): "invalid_auth",
        ("notify.slack", "mail"): "is of kind smtp",
    }
    for number, ((function, account), told) in enumerate(refused.items()):
        value = {**(to if function == "notify.email" else posted), "account": account}
        result = await desk.call(function, value, f"f{number:063d}")
        assert result.outcome is Outcome.FAULTED, account
        assert result.error is not None
        assert told in (result.error.detail or ""), result.error
    assert (len(own_relay.received), len(slack.received)) == (2, 1)
    await pool.close()


async def test_failures_are_answered_as_the_specification_says(
    notifier: Notifier, desk: Desk, hooks: WebhookReceiver
) -> None:
    hooks.faults.add(Fault(FaultKind.STATUS, 503))
    url = "https://partner.example/"
    cases: list[tuple[str, Any, str, int]] = [
        ("notify.webhook", {"url": url, "secret": SECRET}, "communication", 503),
        ("notify.webhook", {"url": "http://169.254.169.254/latest/"}, "authorization", 421),
        ("notify.webhook", {"url": "http://[::ffff:10.0.0.1]/"}, "authorization", 421),
        ("http.request", {"method": "get", "endpoint": "HTTP://127.0.0.1:1/"}, "authorization", 421),
        ("http.request", {"method": "get", "endpoint": "gopher://x/"}, "validation", 400),
        ("notify.email", {"to": "a@example.com\r\nBcc: all@x.example", "text": "x"}, "validation", 400),
        (
            "notify.email",
            {"to": "a@example.com", "text": "x", "attachments": [{"artifact": "../../x"}]},
            "validation",
            400,
        ),
        ("notify.webhook", {"urll": url}, "validation", 400),
        ("notify.slack", {"channel": "C1"}, "validation", 400),
    ]
    for number, (function, value, kind, status) in enumerate(cases):
        result = await desk.call(function, value, f"{number:064d}")
        assert result.outcome is Outcome.FAULTED
        assert result.error is not None
        assert (result.error.type.rsplit("/", 1)[1], result.error.status) == (kind, status), (
            value,
            result.error,
        )
    assert hooks.received == []


async def test_killed_between_effect_and_record_a_mail_is_held_and_a_webhook_repeated_under_its_key(
    notifier: Notifier, desk: Desk, mails: SmtpSink, hooks: WebhookReceiver
) -> None:
    hooks.faults.add(Fault(FaultKind.HANG))
    hook = await desk.send("notify.webhook", {"url": "https://partner.example/", "secret": SECRET}, "a1" * 32)
    await eventually(lambda: hooks.received)
    await notifier.end(signal.SIGKILL)
    await notifier.start()
    assert (await desk.result(hook)).outcome is Outcome.COMPLETED
    assert [record["id"] for record in hooks.received] == ["a1" * 32] * 2

    mails.faults.append(SmtpFault.DROP_AFTER_DATA)
    held = await desk.call("notify.email", {"to": "ada@example.com", "text": "x"}, "b2" * 32)
    assert held.outcome is Outcome.UNCERTAIN
    for more in ({}, {"account": "deleted meanwhile"}):
        value = {"to": "ada@example.com", "text": "x", **more}
        again = await desk.send("notify.email", value, "b2" * 32, attempt=2)
        assert (await desk.result(again)).outcome is Outcome.UNCERTAIN
    assert len(mails.received) == 1
