"""Relays that answer late, refuse, or never leave: each verification ends, tells the outcome, and keeps no connection."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import msgspec
import pytest

from kit.waiting import eventually
from visapi_common.adapters.clock import SystemClock
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.contracts.account_kinds import Kind
from visapi_common.contracts.accounts import AccountTried, TriedVersion, TryAccount
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.errors import TransientFault
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.core.sealing import name_of_account_version, seal
from visapi_common.runtime.settings import load
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.setup import open_metrics
from visapi_notifier.accounts.rules import SealedAccount, SealedVersion
from visapi_notifier.accounts.service import AccountRows
from visapi_notifier.accounts.verifying import Verifier
from visapi_notifier.channel_service import Outside
from visapi_notifier.channels.email.service import EmailService
from visapi_notifier.settings import NotifierSettings

KEYS = Keyring((Key(b"s" * 32),))
OTHER = Keyring((Key(b"l" * 32),))
LIMIT_S = 2.0


class Relay:
    """A relay that answers a sign-in as told, `late_s` later, and QUIT with nothing."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.methods = "CRAM-MD5 PLAIN LOGIN"
        self.otherwise = "235 2.7.0 ok"
        self.late_s = 0.0
        self.signed_in: list[str] = []
        self.open = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            writer.write(b"220 relay ESMTP\r\n")
            while line := await reader.readline():
                if answer := await self._answer(line.decode().split()):
                    writer.write(f"{answer}\r\n".encode())
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, words: list[str]) -> str:
        match words:
            case ["EHLO", *_]:
                return f"250-relay\r\n250 AUTH {self.methods}"
            case ["AUTH", method, *_]:
                self.signed_in.append(method)
                await asyncio.sleep(self.late_s)
                return self.answers.get(method, self.otherwise)
            case _:
                return ""


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    standing = Relay()
    server = await asyncio.start_server(standing.serve, "127.0.0.1", 0)
    standing.port = server.sockets[0].getsockname()[1]
    yield standing
    server.close()


class Question:
    """A request of the gateway, and its answer."""

    def __init__(self, tenant: str) -> None:
        self.data = msgspec.json.encode(TryAccount(tenant, "mail"))
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def respond(self, body: bytes) -> None:
        self.answer.set_result(body)


def rows_of(port: int, keys: Keyring = KEYS) -> AccountRows:
    """One account of each tenant, at the relay on `port`."""

    async def rows(tenant: str, kind: Kind, name: str | None) -> SealedAccount:
        ident = uuid4()
        credentials = msgspec.json.encode({"username": "acme", "password": "a-password"})
        place = name_of_account_version("mail", ident)
        sealed = seal(keys.keys[0].secret, credentials, tenant=tenant, name=place, nonce=os.urandom(12))
        settings = {"host": "127.0.0.1", "port": port, "tls": "off", "from": "Acme <a@acme.example>"}
        version = SealedVersion(ident, msgspec.json.encode(settings), sealed, keys.keys[0].id)
        return SealedAccount("mail", "smtp", (version,))

    return rows


def verifier(rows: AccountRows, metrics: Metrics | None = None) -> Verifier:
    async def exchange(outbound: Outbound) -> Inbound:
        raise AssertionError(outbound)

    environment = {
        "VISAPI_POSTGRES_URL": "postgresql://u@127.0.0.1/x",
        "VISAPI_NATS_URL": "nats://127.0.0.1:1",
    }
    outside = Outside(EgressDialer(policy_from(["127.0.0.1"])), exchange)
    probes = {"smtp": EmailService(load(NotifierSettings, environment)).probe(outside)}
    return Verifier(rows, KEYS, probes, SystemClock(), metrics or open_metrics(), limit_s=LIMIT_S)


async def answer_of(asking: Verifier, tenant: str = "default") -> AccountTried:
    question = Question(tenant)
    asking.receive(question)
    return msgspec.json.decode(await asyncio.wait_for(question.answer, 10), type=AccountTried)


async def tried(asking: Verifier, tenant: str = "default") -> TriedVersion:
    (one,) = (await answer_of(asking, tenant)).versions
    return one


def nothing_open(relay: Relay) -> Callable[[], bool]:
    return lambda: relay.open == 0


async def test_a_relay_that_accepts_late_and_ignores_quit_keeps_no_connection(relay: Relay) -> None:
    relay.methods, relay.late_s = "PLAIN", LIMIT_S - 0.7
    asking = verifier(rows_of(relay.port))
    told = await asyncio.gather(*(tried(asking, f"t{number}") for number in range(5)))
    assert [one.outcome for one in told] == ["accepted"] * 5, told
    await eventually(nothing_open(relay))
    assert len(relay.signed_in) == 5


async def test_a_notifier_that_stops_while_it_leaves_a_relay_keeps_no_connection(relay: Relay) -> None:
    relay.methods = "PLAIN"
    asking = verifier(rows_of(relay.port))
    question = Question("default")
    asking.receive(question)
    await eventually(lambda: len(relay.signed_in) == 1)
    await asyncio.sleep(0.2)
    await asking.close()
    await eventually(nothing_open(relay))
    assert msgspec.json.decode(question.answer.result(), type=AccountTried).not_tried == "failed"


@pytest.mark.parametrize("refusal", ["535 5.7.8 no such password", "535 no", "554 5.7.8 no"])
async def test_a_relay_that_refuses_the_password_is_asked_once(relay: Relay, refusal: str) -> None:
    relay.otherwise, relay.methods = refusal, "PLAIN LOGIN"
    one = await tried(verifier(rows_of(relay.port)))
    assert (one.outcome, len(relay.signed_in)) == ("refused", 1), one
    assert refusal in one.detail


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("504 5.5.4 no", "supports none of the methods"),
        ("530 5.7.0 no", "demands encryption or another"),
        ("534 5.7.9 no", "a password made for applications"),
        ("538 5.7.11 no", "demands encryption before"),
        ("454 4.7.0 later", "put it off"),
    ],
)
async def test_another_answer_says_nothing_about_the_password(relay: Relay, answer: str, said: str) -> None:
    relay.otherwise = answer
    one = await tried(verifier(rows_of(relay.port)))
    assert (one.outcome, said in one.detail) == ("failed", True), one


@pytest.mark.parametrize("answer", ["504 5.5.4 not supported", "535 5.7.8 only a hash is kept"])
async def test_a_relay_that_does_not_take_one_method_is_asked_by_the_next(relay: Relay, answer: str) -> None:
    relay.answers = {"CRAM-MD5": answer}
    one = await tried(verifier(rows_of(relay.port)))
    assert (one.outcome, relay.signed_in) == ("accepted", ["CRAM-MD5", "PLAIN"])


@pytest.mark.parametrize("error", [TransientFault("no database"), ValueError("a defect")])
async def test_a_question_is_answered_although_the_account_cannot_be_read(error: Exception) -> None:
    async def broken(tenant: str, kind: Kind, name: str | None) -> SealedAccount:
        raise error

    answer = await answer_of(verifier(broken))
    assert (answer.versions, answer.not_tried) == ([], "failed")
    assert answer.retry_after_s


async def test_a_missing_key_is_told_without_its_name_and_counted_for_the_operator(relay: Relay) -> None:
    metrics = open_metrics()
    one = await tried(verifier(rows_of(relay.port, OTHER), metrics))
    assert (one.outcome, "operator" in one.detail) == ("unopened", True)
    assert OTHER.keys[0].id not in one.detail
    assert "VISAPI" not in one.detail
    (counted,) = [
        sample.value
        for family in metrics.operator_faults.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    ]
    assert counted == 1
