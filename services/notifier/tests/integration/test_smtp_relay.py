"""Mail over real SMTP: what arrives, and which failure is definite."""

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from visapi.stack.standins.smtp_sink import SmtpFault, SmtpSink
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_notifier.channels.email.rules.message import Mail
from visapi_notifier.channels.email.rules.relay import relay_of
from visapi_notifier.channels.email.smtp_relay import SmtpRelay


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[SmtpSink]:
    started = SmtpSink(tmp_path / "mail")
    await started.start()
    yield started
    await started.stop()


def relay_to(url: str) -> SmtpRelay:
    return SmtpRelay(relay_of(url), EgressDialer(policy_from()), ident="visa.example", timeout_s=5.0)


def mail(body: bytes = b"Hello\r\n") -> Mail:
    head = b"From: a@visa.example\r\nTo: ada@example.com\r\nMessage-ID: <k@visa.example>\r\n\r\n"
    return Mail("a@visa.example", ["ada@example.com", "bob@example.com"], head + body, "<k@visa.example>")


async def test_a_mail_arrives_byte_for_byte(sink: SmtpSink) -> None:
    relay = relay_to(sink.url)
    sent = mail(b".leading dot\r\n..two\r\n.\r\nafter a lone dot\r\n")
    assert (await relay.send(sent)).startswith("250")
    await relay.close()
    [received] = sink.received
    assert received.content == sent.message
    assert received.recipients == ["ada@example.com", "bob@example.com"]
    assert received.path is not None
    assert message_from_bytes(received.path.read_bytes(), policy=default)["To"] == "ada@example.com"


async def test_connections_are_kept_and_a_dead_one_is_replaced(sink: SmtpSink) -> None:
    relay = relay_to(sink.url)
    for _ in range(3):
        await relay.send(mail())
    port = int(sink.url.rpartition(":")[2])
    await sink.stop()
    again = SmtpSink()
    await again.start(port)
    await relay.send(mail())
    assert len(again.received) == 1
    await relay.close()
    await again.stop()


@pytest.mark.parametrize(
    ("fault", "kind", "kept"),
    [
        (SmtpFault.TEMPORARY_SENDER, TransientFault, 0),
        (SmtpFault.PERMANENT_RECIPIENT, PermanentFault, 0),
        (SmtpFault.TEMPORARY_DATA, TransientFault, 0),
        (SmtpFault.PERMANENT_DATA, PermanentFault, 0),
        (SmtpFault.DROP_AT_RECIPIENT, TransientFault, 0),
        (SmtpFault.DROP_AFTER_DATA, UnknownFault, 1),
    ],
)
async def test_each_failure_says_whether_the_mail_may_have_gone(
    sink: SmtpSink, fault: SmtpFault, kind: type[Exception], kept: int
) -> None:
    relay = relay_to(sink.url)
    sink.faults.append(fault)
    with pytest.raises(kind):
        await relay.send(mail())
    assert len(sink.received) == kept
    await relay.send(mail())
    assert len(sink.received) == kept + 1
    await relay.close()


async def test_nobody_listening_is_definite() -> None:
    with pytest.raises(TransientFault):
        await relay_to("smtp://127.0.0.1:1").send(mail())


async def test_a_password_is_not_sent_in_the_clear_unless_told(tmp_path: Path) -> None:
    sink = SmtpSink(user="visa", password="s3cret")
    url = (await sink.start()).replace("smtp://", "smtp://visa:s3cret@")
    with pytest.raises(PermanentFault, match="encryption"):
        await relay_to(url).send(mail())
    relay = relay_to(url + "?starttls=off")
    await relay.send(mail())
    with pytest.raises(PermanentFault, match="password"):
        await relay_to(url.replace("s3cret", "wrong") + "?starttls=off").send(mail())
    with pytest.raises(PermanentFault, match="STARTTLS"):
        await relay_to(url + "?starttls=required").send(mail())
    await relay.close()
    await sink.stop()


async def test_an_envelope_never_smuggles_a_command(sink: SmtpSink) -> None:
    relay = relay_to(sink.url)
    evil = Mail("a@visa.example", ["ada@example.com>\r\nRCPT TO:<eve@x.example"], mail().message, "<k>")
    with pytest.raises(PermanentFault):
        await relay.send(evil)
    assert sink.received == []
    await relay.close()
