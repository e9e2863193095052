"""A refusal of the only credentials that can be opened here, while another version waits for the operator's key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from kit.account_rows import AccountRows
from kit.fakes.clocks import FakeClock
from kit.ledger_rows import overwrite
from kit.servers import Database
from visapi.stack.standins.slack import Slack
from visapi.stack.standins.smtp_sink import SmtpSink
from visapi_common.adapters.clock import SystemClock
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.errors import TransientFault
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.runtime.settings import load
from visapi_common.telemetry.setup import open_metrics
from visapi_common.worker.context import TaskContext
from visapi_common.worker.faults import Postponed, TaskFault
from visapi_notifier.accounts.service import Accounts
from visapi_notifier.accounts.store import PostgresAccounts
from visapi_notifier.channels.email.rules.addresses import mailbox
from visapi_notifier.channels.email.rules.message import EmailInput, Mail
from visapi_notifier.channels.email.senders import Senders
from visapi_notifier.channels.slack.rules import SlackInput
from visapi_notifier.channels.slack.service import SlackService
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.opening import EgressClient
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Sent
from visapi_notifier.settings import NotifierSettings

OLD, NEW = Key(b"o" * 32), Key(b"n" * 32)
KEY = "a1" * 32
MAIL = Mail("a@acme.example", ["ada@example.com"], b"Subject: x\r\n\r\nHello\r\n", "<k@acme.example>")
POLICY = policy_from(["127.0.0.1"])
REVOKED, VALID = "xoxb-revoked-12345", "xoxb-valid-12345"
Send = Callable[[Any, Keyring, TaskMessage], Awaitable[Any]]


class Provider:
    """A provider at which the tenant's old credentials are revoked. `send` delivers on a replica with its keys."""

    def __init__(self, send: Send, received: list[Any]) -> None:
        self.send = send
        self.received = received


@pytest.fixture
async def gateway(postgres_db: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres_db.gateway, size=1, application="test")
    yield opened
    opened.terminate()


def accounts(pool: Pool, keys: Keyring) -> Accounts:
    return Accounts(PostgresAccounts(pool), keys, FakeClock(), open_metrics())


@pytest.fixture
async def relay(gateway: Pool) -> AsyncIterator[Provider]:
    sink = SmtpSink(user="acme", password="valid-password")
    port = int((await sink.start()).rpartition(":")[2])
    settings = {"host": "127.0.0.1", "port": port, "tls": "off", "from": "Acme <a@acme.example>"}
    revoked = {"username": "acme", "password": "revoked-password"}
    old, new = (AccountRows(gateway, Keyring((key,))) for key in (OLD, NEW))
    await old.put("own", kind="smtp", settings=settings, credentials=revoked)
    await new.rotate("own", username="acme", password="valid-password")

    async def send(replica: Any, keys: Keyring, message: TaskMessage) -> Any:
        known = accounts(replica.pool, keys)
        senders = Senders(known, EgressDialer(POLICY), mailbox("no-reply@localhost", "/from"), None)
        route = await senders.route(EmailInput(to="ada@example.com", account="own"), message, Mask())

        async def attempt(time: Time) -> Reading:
            return Sent(await route.send(MAIL, time))

        try:
            return await replica.deliverer.deliver(message, Effect("email", attempt))
        finally:
            await senders.close()

    yield Provider(send, sink.received)
    await sink.stop()


@pytest.fixture
async def workspace(gateway: Pool, postgres_db: Database) -> AsyncIterator[Provider]:
    slack = Slack(VALID)
    await slack.start()
    old, new = (AccountRows(gateway, Keyring((key,))) for key in (OLD, NEW))
    await old.put("own", kind="slack", credentials={"token": REVOKED})
    await new.rotate("own", token=VALID)
    environ = {
        "VISAPI_POSTGRES_URL": postgres_db.notifier,
        "VISAPI_NATS_URL": "nats://127.0.0.1:1",
        "VISAPI_SLACK_BASE_URL": f"{slack.url}/api",
    }
    client = EgressClient(POLICY)

    async def read(*_: Any) -> Any:
        return SlackInput(channel="C1", text="hi", account="own"), None

    async def send(replica: Any, keys: Keyring, message: TaskMessage) -> Any:
        parts: Any = SimpleNamespace(
            deliverer=replica.deliverer,
            inputs=SimpleNamespace(read=read),
            accounts=accounts(replica.pool, keys),
            clock=SystemClock(),
            exchange=client,
        )
        post = SlackService(load(NotifierSettings, environ)).handler(parts)
        return await post(msgspec.Raw(b"null"), TaskContext(message, datetime.now(UTC)), Mask())

    yield Provider(send, slack.received)
    await client.close()
    await slack.stop()


@pytest.fixture(params=["relay", "workspace"])
def provider(request: pytest.FixtureRequest) -> Provider:
    return request.getfixturevalue(request.param)


async def test_a_refusal_waits_for_the_key_of_the_version_that_works(
    provider: Provider, replica: Any, other_replica: Any, make_task: Callable[..., TaskMessage], lapse: Any
) -> None:
    message = make_task()
    for _ in range(2):
        with pytest.raises(Postponed):
            await provider.send(replica, Keyring((OLD,)), message)
    await lapse()
    await provider.send(other_replica, Keyring((NEW, OLD)), message)
    assert len(provider.received) == 1
    await provider.send(replica, Keyring((OLD,)), message)
    assert len(provider.received) == 1, "what was sent is answered from the ledger"


async def test_a_start_that_cannot_be_given_back_is_continued_by_its_own_process(
    relay: Provider,
    replica: Any,
    make_task: Callable[..., TaskMessage],
    lapse: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = make_task()

    async def unreachable(*_: Any) -> None:
        raise TransientFault("PostgreSQL is away")

    with monkeypatch.context() as broken:
        broken.setattr(replica.ledger, "give_back", unreachable)
        with pytest.raises(Postponed):
            await relay.send(replica, Keyring((OLD,)), message)
    await lapse()
    await relay.send(replica, Keyring((NEW, OLD)), message)
    assert len(relay.received) == 1


async def test_a_refusal_is_final_where_the_other_version_is_damaged(
    provider: Provider, replica: Any, make_task: Callable[..., TaskMessage], postgres_db: Database, row: Any
) -> None:
    owner = await open_pool(postgres_db.superuser, size=1, application="test")
    assert await overwrite(owner, "account_versions", {"version": 2}, sealed=b"damaged" * 9) == 1
    owner.terminate()
    with pytest.raises(TaskFault):
        await provider.send(replica, Keyring((NEW, OLD)), make_task())
    assert (await row(KEY))["state"] == "failed"
    assert provider.received == []
