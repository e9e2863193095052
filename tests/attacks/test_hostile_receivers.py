"""Receivers that mean harm, each beside a bystander: their caller alone notices, and in time."""

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from attacks.stalls import no_stalls
from kit.forms import variants
from kit.raw_server import Script, answer, raw_server, saying

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

AT_ONCE = 16
LIMIT_S = 3
MIB = 1024 * 1024
MEMORY_MB = AT_ONCE * 10 * 2
"""What the notifier may grow by under one attack: each call reads at most 10 MiB, in parts that are joined."""
OK = b"HTTP/1.1 200 OK\r\n"

CALL = f"""
document: {{dsl: '1.0.3', namespace: hostile, name: receivers, version: '1.0.0'}}
do:
  - ask:
      call: http
      with: {{method: get, endpoint: '${{ .url }}', redirect: true}}
      output: {{as: '${{ null }}'}}
      timeout: {{after: PT{LIMIT_S}S}}
"""


def endless(head: bytes, piece: bytes, pause_s: float = 0.0) -> Script:
    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        try:
            while True:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
        except ConnectionError:
            return

    return script


def dripping(what: bytes) -> Script:
    """One byte a second."""

    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            for at in range(len(what)):
                writer.write(what[at : at + 1])
                await writer.drain()
                await asyncio.sleep(1)
        except ConnectionError:
            return

    return script


def _many_codings() -> bytes:
    body = b"\0" * (20 * MIB)
    for _ in range(4):
        body = gzip.compress(body)
    return answer(body, "content-encoding: gzip, gzip, gzip, gzip")


COOKIES = "set-cookie: a=" + "b" * 3000
SELF = answer(b"", "location: ?again", *[COOKIES] * 20, status="302 Go")

HOSTILE: dict[str, Callable[[], Script]] = {
    "one byte a second": lambda: dripping(answer(b"x" * 100)),
    "a header line of 10 MB": lambda: saying(OK + b"x: " + b"y" * 10_000_000 + b"\r\n\r\n"),
    "100,000 header lines": lambda: saying(OK + b"x: y\r\n" * 100_000 + b"content-length: 0\r\n\r\n"),
    "endless 1xx answers": lambda: endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000),
    "short 1xx answers": lambda: endless(b"", b"HTTP/1.1 199\r\n\r\n" * 4000),
    "a chunk extension without end": lambda: endless(
        OK + b"transfer-encoding: chunked\r\n\r\n1;", b"x" * 65536
    ),
    "chunks of one byte": lambda: endless(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
    "trailers without end": lambda: endless(
        OK + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 5_000
    ),
    "redirects to itself with cookies": lambda: saying(SELF),
    "a bomb of zlib": lambda: saying(
        answer(zlib.compress(b"\0" * 200 * MIB, 9), "content-encoding: deflate")
    ),
    "a bomb in four codings": lambda: saying(_many_codings()),
    "brotli that nobody asked for": lambda: endless(OK + b"content-encoding: br\r\n\r\n", b"\xff" * 65536),
    "zstd that nobody asked for": lambda: endless(OK + b"content-encoding: zstd\r\n\r\n", b"\xff" * 65536),
}


async def hit(stack: AttackStack, attacker: Tenant, url: str) -> list[dict[str, Any]]:
    """What `AT_ONCE` calls ended with; none may last much longer than its time limit."""
    target = await attacker.deploy(CALL)
    memory_mb, began = stack.memory_mb("notifier"), time.monotonic()
    ended = await asyncio.gather(*(attacker.start(target, {"url": url}, wait_s=30) for _ in range(AT_ONCE)))
    took_s, grown_mb = time.monotonic() - began, stack.memory_mb("notifier") - memory_mb
    print(f"{took_s:.1f} s, {grown_mb:.0f} MB")
    assert {one.status_code for one in ended} == {200}, ended[0].text
    assert took_s < LIMIT_S + 7, took_s
    assert grown_mb < MEMORY_MB, grown_mb
    return [one.json() for one in ended]


@pytest.mark.parametrize(
    "name",
    variants(
        HOSTILE,
        short=[
            "one byte a second",
            "a header line of 10 MB",
            "endless 1xx answers",
            "trailers without end",
            "a bomb of zlib",
        ],
    ),
)
async def test_each_hostile_receiver_costs_its_caller_one_error(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, name: str
) -> None:
    script = HOSTILE[name]()
    async with (
        raw_server(script) as server,
        no_stalls(stack, "notifier", attack=name),
        bystander.at_work("hook", "mail", attack=name),
    ):
        ended = await hit(stack, attacker, server.url)
    assert {one["status"] for one in ended} == {"faulted"}, (name, ended[0])
    kinds = {one["error"]["type"].rpartition("/")[2] for one in ended}
    assert kinds <= {"communication", "timeout"}, (name, kinds)
    assert set(stack.restarts().values()) == {0}


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A port where every connection is taken and nothing is said: TLS stays in its handshake."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def test_a_tls_handshake_that_stalls_ends_with_its_task(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    attack = "a TLS handshake that stalls"
    async with (
        silent() as url,
        no_stalls(stack, "notifier", attack=attack),
        bystander.at_work("hook", "mail", attack=attack),
    ):
        ended = await hit(stack, attacker, url)
    assert {one["error"]["type"].rpartition("/")[2] for one in ended} == {"timeout"}, ended[0]
