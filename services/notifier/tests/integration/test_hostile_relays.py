"""Mail relays that never end, never answer or say too much: the mail ends in its time, and it is known how."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from kit.waiting import eventually
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.on_behalf import TENANT
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.errors import Fault, PermanentFault, TransientFault, UnknownFault
from visapi_notifier.channels.email.rules.message import Mail
from visapi_notifier.channels.email.rules.relay import relay_of
from visapi_notifier.channels.email.smtp_relay import TURNS, SmtpRelay

LIMIT_S = 1.5
Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MAIL = Mail("a@visa.example", ["ada@example.com"], b"Subject: x\r\n\r\nHello\r\n", "<k@visa.example>")


@asynccontextmanager
async def relay(session: Session, scheme: str = "smtp") -> AsyncIterator[SmtpRelay]:
    """The notifier's side of a relay that talks like this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await session(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    opened = SmtpRelay(relay_of(url), EgressDialer(policy_from()), ident="visa.example")
    try:
        yield opened
    finally:
        await opened.close()
        server.close()


def talks(answers: dict[bytes, bytes], last: bytes = b"") -> Session:
    """Answers each command; what has no answer is never answered. `last` follows the message."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[b""])
        while line := await reader.readline():
            answer = answers.get(line[:4].strip().upper())
            if answer is None:
                await reader.read()
                return
            writer.write(answer)
            await writer.drain()
            if line[:4].upper() == b"DATA":
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(last)
                await reader.read()

    return session


def drips(piece: bytes, pause_s: float) -> Session:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return session


POLITE = {b"": b"220 a\r\n", b"EHLO": b"250 a\r\n", b"MAIL": b"250 a\r\n", b"RCPT": b"250 a\r\n"}
LONG = b"250 " + b"x" * 10_000_000 + b"\r\n"


@pytest.mark.parametrize(
    ("session", "kinds"),
    [
        (drips(b"220-welcome\r\n", 0), TransientFault | PermanentFault),
        (drips(b"220-welcome\r\n", 0.05), TransientFault | PermanentFault),
        (drips(b"2", 0.3), TransientFault),
        (talks({**POLITE, b"": b"220 " + LONG}), TransientFault | PermanentFault),
        (talks({**POLITE, b"EHLO": LONG}), TransientFault | PermanentFault),
        (talks({**POLITE, b"EHLO": b"250-x\r\n" * 100_000}), TransientFault | PermanentFault),
        (talks({**POLITE, b"RCPT": LONG}), TransientFault | PermanentFault),
        (talks(POLITE), TransientFault),
        (talks({**POLITE, b"DATA": b"354 go\r\n"}), UnknownFault),
        (talks({**POLITE, b"DATA": b"354 go\r\n"}, LONG), UnknownFault),
        (talks({**POLITE, b"DATA": b"354 go\r\n"}, b"250-x\r\n" * 100_000), UnknownFault),
    ],
    ids=[
        "a greeting without end",
        "a slow greeting without end",
        "one byte at a time",
        "a greeting of 10 MB",
        "an answer of 10 MB",
        "an answer of 100,000 lines",
        "a recipient answered with 10 MB",
        "silence at DATA",
        "silence after the message",
        "a message answered with 10 MB",
        "a message answered with 100,000 lines",
    ],
)
async def test_a_mail_ends_in_its_time_and_it_is_known_whether_it_may_have_gone(
    session: Session, kinds: type[Fault]
) -> None:
    async with relay(session) as to:
        began = time.monotonic()
        with pytest.raises(Fault) as raised:
            await to.send(MAIL, LIMIT_S, chosen=True)
    assert isinstance(raised.value, kinds), raised.value
    assert len(str(raised.value)) < 1000
    assert time.monotonic() - began < LIMIT_S + 10


async def test_a_tls_handshake_that_stalls_is_definite() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with relay(silent, "smtps") as to:
        with pytest.raises(TransientFault):
            await to.send(MAIL, LIMIT_S, chosen=True)


async def test_slow_mails_of_one_tenant_leave_connections_to_others() -> None:
    waiting = 0

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        await reader.read()

    async def send(to: SmtpRelay, tenant: str) -> None:
        TENANT.set(tenant)
        await to.send(MAIL, 60, chosen=True)

    async with relay(session) as to:
        slow = [asyncio.create_task(send(to, "slow")) for _ in range(20)]
        await eventually(lambda: waiting == TURNS.per_tenant)
        other = asyncio.create_task(send(to, "other"))
        await eventually(lambda: waiting == TURNS.per_tenant + 1)
        for task in (*slow, other):
            task.cancel()
        await asyncio.gather(*slow, other, return_exceptions=True)
