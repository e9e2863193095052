"""Credentials are tried at real SMTP relays and a stand-in of Slack; nothing is sent, and nobody waits for a tenant."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from kit.account_rows import AccountRows
from kit.servers import Database
from kit.tenants import add_tenants
from kit.waiting import eventually
from visapi.stack.standins.smtp_sink import SmtpSink
from visapi_common.adapters.clock import SystemClock
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.accounts import AccountTried, TryAccount
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.runtime.settings import load
from visapi_common.telemetry.setup import open_metrics
from visapi_notifier.accounts.store import PostgresAccounts
from visapi_notifier.accounts.turns import AT_ONCE_PER_TENANT
from visapi_notifier.accounts.verifying import Verifier
from visapi_notifier.channel_service import Outside
from visapi_notifier.channels.email.rules.message import Mail
from visapi_notifier.channels.email.rules.relay import relay_of
from visapi_notifier.channels.email.service import EmailService
from visapi_notifier.channels.email.smtp_relay import SmtpRelay
from visapi_notifier.channels.slack.service import SlackService
from visapi_notifier.settings import NotifierSettings

KEYS = Keyring((Key(b"s" * 32),))
LOST = Keyring((Key(b"l" * 32),))
TOKEN = "xoxb-12345678-secret"


def said(status: int, body: bytes) -> Inbound:
    return Inbound(status, [], body, "https://slack.com/api/auth.test")


class Question:
    """A request of the gateway, and its answer."""

    def __init__(self, tenant: str, account: str) -> None:
        self.data = msgspec.json.encode(TryAccount(tenant, account))
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def respond(self, body: bytes) -> None:
        self.answer.set_result(body)


class Door:
    """Stores accounts as the gateway does, and asks as the gateway does."""

    def __init__(self, gateway: Pool, notifier: Pool, database_url: str) -> None:
        self._gateway = gateway
        self._notifier = notifier
        self._settings = load(
            NotifierSettings, {"VISAPI_POSTGRES_URL": database_url, "VISAPI_NATS_URL": "nats://127.0.0.1:1"}
        )
        self.slack = said(200, b'{"ok": false, "error": "invalid_auth"}')
        self.asked: list[Outbound] = []
        self.verifier = self.behind("127.0.0.1")

    def behind(self, *allowed: str) -> Verifier:
        outside = Outside(EgressDialer(policy_from(allowed)), self._exchange)
        probes = {
            "smtp": EmailService(self._settings).probe(outside),
            "slack": SlackService(self._settings).probe(outside),
        }
        rows = PostgresAccounts(self._notifier)
        return Verifier(rows, KEYS, probes, SystemClock(), open_metrics())

    async def _exchange(self, outbound: Outbound) -> Inbound:
        self.asked.append(outbound)
        return self.slack

    def rows(self, tenant: str = "default", keys: Keyring = KEYS) -> AccountRows:
        return AccountRows(self._gateway, keys, tenant)

    async def put_mail(self, port: int, tenant: str = "default", keys: Keyring = KEYS, **more: Any) -> None:
        settings = {"host": "127.0.0.1", "port": port, "tls": "off", "from": "Acme <a@acme.example>", **more}
        credentials = {"username": "acme", "password": "old-password"}
        await self.rows(tenant, keys).put("mail", kind="smtp", settings=settings, credentials=credentials)

    def ask(self, tenant: str = "default", account: str = "mail") -> Question:
        question = Question(tenant, account)
        self.verifier.receive(question)
        return question

    async def tried(self, tenant: str = "default", account: str = "mail") -> AccountTried:
        return msgspec.json.decode(await self.ask(tenant, account).answer, type=AccountTried)

    async def outcomes(self, account: str = "mail") -> list[tuple[int, str, str]]:
        tried = await self.tried(account=account)
        return [(one.version, one.state, one.outcome) for one in tried.versions]


@pytest.fixture
async def door(postgres_db: Database, pool: Pool) -> AsyncIterator[Door]:
    gateway = await open_pool(postgres_db.gateway, size=2, application="test")
    opened = Door(gateway, pool, postgres_db.notifier)
    yield opened
    await opened.verifier.close()
    gateway.terminate()


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    started = SmtpSink(user="acme", password="old-password")
    await started.start()
    yield started
    await started.stop()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_each_version_in_use_is_tried_and_nothing_is_sent(door: Door, sink: SmtpSink) -> None:
    await door.put_mail(port_of(sink.url))
    assert await door.outcomes() == [(1, "current", "accepted")]
    await door.rows().rotate("mail", username="acme", password="new-password")
    assert await door.outcomes() == [(2, "current", "refused"), (1, "overlapping", "accepted")]
    refused = (await door.tried()).versions[0]
    assert "new-password" not in refused.detail
    assert "535" in refused.detail
    assert sink.received == []
    assert (await door.tried(account="none")).versions == []
    assert (await door.tried(tenant="other")).versions == []


async def test_a_version_whose_key_is_gone_is_told_beside_the_one_that_is_used(
    door: Door, sink: SmtpSink
) -> None:
    await door.put_mail(port_of(sink.url))
    await door.rows(keys=LOST).rotate("mail", username="acme", password="new-password")
    assert await door.outcomes() == [(2, "current", "unopened"), (1, "overlapping", "accepted")]


async def test_what_nobody_may_reach_or_encrypt_is_not_spoken_to(door: Door, sink: SmtpSink) -> None:
    await door.put_mail(port_of(sink.url), tls="starttls")
    (one,) = (await door.tried()).versions
    assert (one.outcome, "STARTTLS" in one.detail) == ("failed", True)
    door.verifier = door.behind()
    (one,) = (await door.tried()).versions
    assert one.outcome == "failed"
    assert "127.0.0.1:" not in one.detail


async def test_slack_says_whose_the_token_is(door: Door) -> None:
    await door.rows().put("board", kind="slack", credentials={"token": TOKEN})
    assert await door.outcomes("board") == [(1, "current", "refused")]
    door.slack = said(200, b'{"ok": true, "user": "bot", "team": "Acme", "x": "' + TOKEN.encode() + b'"}')
    (one,) = (await door.tried(account="board")).versions
    assert (one.outcome, one.detail) == ("accepted", "Slack accepted the token of bot in Acme")
    door.slack = said(200, b'{"ok": true, "user": "' + TOKEN.encode() + b'", "team": "Acme"}')
    assert TOKEN not in (await door.tried(account="board")).versions[0].detail
    for status, body in ((502, b"<html>"), (200, b'{"ok": false, "error": "ratelimited"}')):
        door.slack = said(status, body)
        assert await door.outcomes("board") == [(1, "current", "failed")]
    assert {(asked.method, asked.url.rpartition("/")[2]) for asked in door.asked} == {("POST", "auth.test")}


async def test_a_relay_of_a_tenant_that_hangs_delays_no_other_tenant(
    door: Door, sink: SmtpSink, postgres_db: Database
) -> None:
    hanging: list[asyncio.StreamWriter] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hanging.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    owner = await open_pool(postgres_db.superuser, size=1, application="test")
    await add_tenants(owner, "slow")
    await door.put_mail(server.sockets[0].getsockname()[1], "slow")
    await door.put_mail(port_of(sink.url))
    slow = [door.ask("slow") for _ in range(20)]
    await eventually(lambda: len(hanging) == AT_ONCE_PER_TENANT)
    began = time.monotonic()
    assert await door.outcomes() == [(1, "current", "accepted")]
    mail = Mail("a@acme.example", ["ada@example.com"], b"Subject: x\r\n\r\nHello\r\n", "<k@acme.example>")
    relay = SmtpRelay(
        relay_of(sink.url.replace("//", "//acme:old-password@") + "?starttls=off"),
        EgressDialer(policy_from()),
        ident="acme.example",
    )
    assert (await relay.send(mail)).startswith("250")
    await relay.close()
    assert time.monotonic() - began < 5
    waiting = [one for one in slow if not one.answer.done()]
    busy = [msgspec.json.decode(one.answer.result(), type=AccountTried) for one in slow if one.answer.done()]
    assert (len(waiting), len(hanging)) == (AT_ONCE_PER_TENANT, AT_ONCE_PER_TENANT)
    assert all(one.retry_after_s and not one.versions for one in busy)
    await door.verifier.close()
    server.close()
    await owner.close()
