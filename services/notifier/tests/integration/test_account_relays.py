"""Mails of accounts over real SMTP: rotated passwords, relays that hang, relays that nobody may reach."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kit.account_rows import AccountRows
from kit.fakes.clocks import FakeClock
from kit.servers import Database
from kit.tenants import add_tenants
from kit.waiting import eventually
from visapi.stack.standins.smtp_sink import SmtpSink
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.on_behalf import TENANT
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.egress_policy import EgressRefused, policy_from
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.telemetry.setup import open_metrics
from visapi_notifier.accounts.service import KEPT_S, Accounts
from visapi_notifier.accounts.store import PostgresAccounts
from visapi_notifier.channels.email.account_relays import ACCOUNT_TURNS
from visapi_notifier.channels.email.rules.addresses import mailbox
from visapi_notifier.channels.email.rules.message import EmailInput, Mail
from visapi_notifier.channels.email.senders import Senders
from visapi_notifier.channels.email.smtp_relay import PasswordRefused
from visapi_notifier.delivery.effects import Time
from visapi_notifier.outbound.rules.masking import Mask

KEYS = Keyring((Key(b"s" * 32),))
MakeTask = Callable[..., TaskMessage]
MAIL = Mail("a@acme.example", ["ada@example.com"], b"Subject: x\r\n\r\nHello\r\n", "<k@acme.example>")


class Desk:
    """Stores accounts as the gateway does, and sends mails as the channel does."""

    def __init__(self, gateway: Pool, notifier: Pool, make_task: MakeTask) -> None:
        self._gateway = gateway
        self._make_task = make_task
        self.clock = FakeClock()
        self._accounts = Accounts(PostgresAccounts(notifier), KEYS, self.clock, open_metrics())
        self.senders = self.behind()

    def behind(self, *allowed: str) -> Senders:
        dialer = EgressDialer(policy_from(allowed))
        return Senders(self._accounts, dialer, mailbox("no-reply@localhost", "/from"), None)

    def rows(self, tenant: str) -> AccountRows:
        return AccountRows(self._gateway, KEYS, tenant)

    async def put(self, tenant: str, port: int, password: str = "old-password", **more: Any) -> None:
        settings = {"host": "127.0.0.1", "port": port, "tls": "off", "from": "Acme <a@acme.example>"}
        credentials = {"username": "acme", "password": password}
        await self.rows(tenant).put("mail", kind="smtp", settings=settings, credentials=credentials, **more)

    async def send(self, tenant: str = "default", limit_s: float = 20.0, account: str | None = "mail") -> str:
        TENANT.set(tenant)
        self.clock.now_s += KEPT_S
        wanted = EmailInput(to="ada@example.com", account=account)
        route = await self.senders.route(wanted, self._make_task(tenant=tenant), Mask())
        return await route.send(MAIL, Time(limit_s, chosen=True))


@pytest.fixture
async def desk(postgres_db: Database, pool: Pool, make_task: MakeTask) -> AsyncIterator[Desk]:
    gateway = await open_pool(postgres_db.gateway, size=2, application="test")
    opened = Desk(gateway, pool, make_task)
    yield opened
    await opened.senders.close()
    gateway.terminate()


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    started = SmtpSink(user="acme", password="old-password")
    await started.start()
    yield started
    await started.stop()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_a_password_is_rotated_here_and_at_the_provider_in_any_order(
    desk: Desk, sink: SmtpSink
) -> None:
    desk.senders, rows = desk.behind("127.0.0.1"), desk.rows("default")
    await desk.put("default", port_of(sink.url), default=True)
    assert (await desk.send(account=None)).startswith("250")
    await rows.rotate("mail", username="acme", password="new-password")
    assert (await desk.send()).startswith("250"), "the provider knows the old one alone"
    assert len(sink.received) == 2
    await rows.confirm("mail")
    with pytest.raises(PasswordRefused):
        await desk.send()
    await rows.remove("mail")
    with pytest.raises(Exception, match="there is no account"):
        await desk.send()
    assert len(sink.received) == 2


async def test_a_relay_at_a_private_address_is_refused_and_a_sender_needs_an_account(
    desk: Desk, sink: SmtpSink
) -> None:
    await desk.put("default", port_of(sink.url))
    with pytest.raises(EgressRefused):
        await desk.send()
    with pytest.raises(Exception, match="there is no mail relay"):
        await desk.send(account=None)
    wanted = EmailInput(to="ada@example.com", account="mail", from_="eve@elsewhere.example")
    with pytest.raises(ProblemError, match="does not allow"):
        await desk.senders.route(wanted, desk._make_task(), Mask())
    assert sink.received == []


async def test_a_tenant_whose_relay_hangs_delays_nobody(
    desk: Desk, sink: SmtpSink, pool: Pool, postgres_db: Database
) -> None:
    hanging = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hanging
        hanging += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    owner = await open_pool(postgres_db.superuser, size=1, application="test")
    await add_tenants(owner, "slow")
    desk.senders = desk.behind("127.0.0.1")
    await desk.put("slow", server.sockets[0].getsockname()[1])
    await desk.put("default", port_of(sink.url))
    slow = [asyncio.create_task(desk.send("slow", 60)) for _ in range(40)]
    await eventually(lambda: hanging == ACCOUNT_TURNS.per_tenant)
    for _ in range(10):
        assert (await desk.send(limit_s=10)).startswith("250")
    assert hanging == ACCOUNT_TURNS.per_tenant
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    server.close()
    await owner.close()
