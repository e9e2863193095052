"""Hostile servers: whatever they answer costs their own caller one error, and nobody else anything."""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from attacks.stalls import no_stalls
from kit.raw_server import Script, answer, raw_server, saying

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
STACK_SETTINGS: dict[str, str] = {}
"""It counts the answers that the notifier read."""

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
JSON = "content-type: application/json"
TASK = "{method: '${ .method }', endpoint: '${ .url }', redirect: true}"


async def call(tenant: Tenant, url: str, method: str = "get", timeout: str = "PT5S") -> dict[str, Any]:
    """One run that makes one call."""
    name = f"call-{timeout.lower().replace('.', '-')}"
    head = f"document: {{dsl: '1.0.3', namespace: hostile, name: {name}, version: '1.0.0'}}\n"
    task = f"do:\n  - ask:\n      call: http\n      with: {TASK}\n      timeout: {{after: {timeout}}}\n"
    target = await tenant.deploy(head + task)
    ended = await tenant.start(target, {"url": url, "method": method}, wait_s=30)
    assert ended.status_code == 200, ended.text
    return ended.json()


def forever(head: bytes, piece: bytes, *, pause_s: float = 0.0) -> Script:
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


async def onward(head: bytes, writer: asyncio.StreamWriter) -> None:
    """A redirect to yet another place."""
    to = "/" + "x" * len(head.split()[1])
    writer.write(f"HTTP/1.1 302 Go\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode())


HOSTILE: dict[str, Callable[[], Script]] = {
    "an endless body": lambda: forever(CHUNKED + b"\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "endless headers": lambda: forever(b"HTTP/1.1 200 OK\r\n", b"x-flood: " + b"y" * 1000 + b"\r\n"),
    "endless redirects": lambda: onward,
    "a circle of redirects": lambda: saying(answer(b"", "location: /", status="302 Go")),
    "a bomb": lambda: saying(answer(gzip.compress(b"\0" * 100_000_000), "content-encoding: gzip")),
    "empty members": lambda: saying(answer(gzip.compress(b"") * 200_000, "content-encoding: gzip")),
    "990 levels": lambda: saying(answer(b"[" * 990 + b"]" * 990, JSON)),
    "5,000 levels": lambda: saying(answer(b'{"a":' * 5000 + b"1" + b"}" * 5000, JSON)),
    "one Latin-1 byte": lambda: saying(answer(b'{"name": "Caf\xe9"}', JSON)),
    "a host that is none": lambda: saying(answer(b"", "location: http://xn--/", status="302 Go")),
    "no HTTP": lambda: saying(b"220 mail.example ESMTP\r\n\r\n"),
    "a short body": lambda: saying(answer(b"short", length=1_000_000)),
    "a broken chunk": lambda: saying(CHUNKED + b"\r\nzz\r\n"),
    "a quick end": lambda: saying(b""),
}


async def test_each_hostile_answer_is_one_error_of_its_own_caller(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    scripts = {name: make() for name, make in HOSTILE.items()}  # this takes a while: not beside the bystander
    async with bystander.at_work("set", "hook", attack="hostile answers"):
        for name, script in scripts.items():
            async with raw_server(script) as server:
                ended = await call(attacker, server.url)
            assert ended["status"] == "faulted", (name, ended)
            kind = ended["error"]["type"].rpartition("/")[2]
            assert kind in ("communication", "timeout"), (name, ended["error"])
    assert set(stack.restarts().values()) == {0}


async def test_a_trickle_ends_with_the_tasks_timeout(stack: AttackStack, attacker: Tenant) -> None:
    for method in ("get", "put", "post"):
        async with raw_server(forever(CHUNKED + b"\r\n", b"1\r\nx\r\n", pause_s=0.1)) as server:
            began = time.monotonic()
            ended = await call(attacker, server.url, method, "PT2S")
            took_s = time.monotonic() - began
        assert (ended["error"]["type"].rpartition("/")[2], ended["error"]["status"]) == ("timeout", 408), (
            method
        )
        assert 1.5 < took_s < 10


def after(seconds: float) -> Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]:
    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(answer(b"in time", "content-type: text/plain"))

    return script


async def test_an_answer_in_time_counts_and_a_late_one_is_a_timeout(
    stack: AttackStack, attacker: Tenant
) -> None:
    for method in ("get", "put", "post"):
        async with raw_server(after(1.4)) as server:
            assert (await call(attacker, server.url, method, "PT2S"))["output"] == "in time"
        async with raw_server(after(30)) as server:
            late = await call(attacker, server.url, method, "PT1S")
        assert (late["error"]["type"].rpartition("/")[2], late["error"]["status"]) == ("timeout", 408), method


FETCHES = 10
FETCH = """
document: {dsl: '1.0.3', namespace: hostile, name: large, version: '1.0.0'}
use: {secrets: [api]}
do:
  - ask:
      call: http
      with:
        method: get
        endpoint: '${ .url }'
        headers: {x-key: '${ $secrets.api.key }'}
      output: {as: '${ length }'}
"""


async def test_large_documents_fetched_with_a_secret_hold_up_nobody_else(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    secret = {"key": "kept-by-the-attacker-1", "second": "kept-by-the-attacker-2"}
    kept = await attacker.client.put("/v1/secrets/api", json={"value": secret})
    assert kept.status_code in (200, 201, 204), kept.text
    target = await attacker.deploy(FETCH)
    row = b'{"id": 1, "name": "somebody", "tags": ["a", "b"]}'
    body = b"[" + b",".join([row] * (10 * 1024 * 1024 // (len(row) + 1) - 1)) + b"]"
    attack = "documents of 10 MiB"
    async with (
        raw_server(saying(answer(body, JSON))) as server,
        no_stalls(stack, "notifier", attack=attack),
        bystander.at_work("hook", attack=attack),
    ):
        for _ in range(FETCHES):
            assert (await attacker.start(target, {"url": server.url})).status_code == 202
        async with asyncio.timeout(120):
            while await _answers(stack, "done") < FETCHES:
                await asyncio.sleep(0.5)
    assert [
        await _answers(stack, reason) for reason in ("cpu", "wall", "memory", "output", "died", "bug")
    ] == [0] * 6


async def _answers(stack: AttackStack, outcome: str) -> float:
    """How many large answers the notifier's processes read, or gave up for a reason."""
    return await stack.metric("notifier", "visapi_bounded_jobs_total", job="answer", outcome=outcome)
