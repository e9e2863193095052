"""Attacks on the gateway's connections, streams and commands, beside a bystander whose runs go on."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

CONNECTIONS = 600
READERS = 60
PAUSED_S = 2.0

QUICK = """
document: {dsl: '1.0.3', namespace: edge, name: quick, version: '1.0.0'}
do:
  - seen:
      set: {seen: true}
"""
LONG = """
document: {dsl: '1.0.3', namespace: edge, name: long, version: '1.0.0'}
do:
  - rest:
      wait: PT1H
"""


class Peers:
    """Raw connections to the gateway."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        assert at.hostname is not None
        self._host, self._port = at.hostname, at.port
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self, said: bytes) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=1024)
        self.writers.append(writer)
        writer.write(said)
        return reader

    async def drip(self, byte: bytes, *, rounds: int, pause_s: float = 0.5) -> None:
        """Send one more byte on each connection, again and again."""
        for _ in range(rounds):
            for writer in self.writers:
                if not writer.is_closing():
                    writer.write(byte)
            await asyncio.sleep(pause_s)


@contextlib.asynccontextmanager
async def peers_of(stack: AttackStack) -> AsyncIterator[Peers]:
    peers = Peers(stack.ready.gateway)
    try:
        yield peers
    finally:
        for writer in peers.writers:
            writer.transport.abort()


def head_of(path: str, key: str | None, *, method: str = "GET", more: str = "") -> bytes:
    who = "" if key is None else f"Authorization: Bearer {key}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{who}{more}\r\n".encode()


async def test_slow_bodies_without_a_key(stack: AttackStack, bystander: Bystander) -> None:
    body = "Content-Type: application/json\r\nContent-Length: 100000\r\n"
    head = head_of("/v1/workflows/a/b/runs", None, method="POST", more=body)
    form = head_of("/approve/x", None, method="POST", more=body)
    async with peers_of(stack) as peers, bystander.at_work(attack="slow bodies without a key"):
        for n in range(CONNECTIONS):
            await peers.open((form if n % 2 else head) + b"{")
        await peers.drip(b" ", rounds=10)
        assert await stack.metric("gateway", "visapi_http_requests_held") < 50


@pytest.mark.full
async def test_slow_bodies_of_one_key(stack: AttackStack, bystander: Bystander, attacker: Tenant) -> None:
    target = await attacker.deploy(QUICK)
    body = "Content-Type: application/json\r\nContent-Length: 100000\r\n"
    head = head_of(target, attacker.key, method="POST", more=body)
    async with peers_of(stack) as peers, bystander.at_work(attack="slow bodies of one key"):
        for _ in range(CONNECTIONS):
            await peers.open(head + b"{")
        await peers.drip(b" ", rounds=10)


async def test_slow_heads(stack: AttackStack, bystander: Bystander) -> None:
    async with peers_of(stack) as peers, bystander.at_work(attack="slow heads"):
        for _ in range(CONNECTIONS):
            await peers.open(b"GET /v1/runs HTTP/1.1\r\nX: ")
        await peers.drip(b"x", rounds=10)


async def test_slow_readers_of_large_answers(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    target = await attacker.deploy(QUICK)
    started = await attacker.start(target, {"large": "x" * 900_000})
    path = f"/v1/runs/{started.json()['id']}"
    before = stack.memory_mb("gateway")
    async with peers_of(stack) as peers, bystander.at_work(attack="slow readers of large answers"):
        for _ in range(READERS):
            await peers.open(head_of(path, attacker.key) * 30)
        await asyncio.sleep(5)
        grown = stack.memory_mb("gateway") - before
        print(f"\n{READERS} slow readers: the gateway grew by {grown:.0f} MB")
        assert grown < 400


@pytest.mark.full
async def test_followers_of_one_key(stack: AttackStack, bystander: Bystander, attacker: Tenant) -> None:
    target = await attacker.deploy(LONG)
    run = (await attacker.start(target)).json()["id"]

    async def many_follow() -> bool:
        return await stack.metric("gateway", "visapi_http_streams_held") > 200

    follow = head_of(f"/v1/runs/{run}/history", attacker.key, more="Accept: text/event-stream\r\n")
    async with peers_of(stack) as peers, bystander.at_work(attack="followers of one key"):
        for _ in range(CONNECTIONS * 2):
            await peers.open(follow)
        await eventually(many_follow)
        assert (await attacker.client.get("/v1/runs")).status_code == httpx.codes.OK
    await attacker.client.post(f"/v1/runs/{run}/cancel")

    async def are_gone() -> bool:
        return await stack.metric("gateway", "visapi_http_streams_held") == 0

    await eventually(are_gone)


async def test_requests_of_one_key(stack: AttackStack, bystander: Bystander, attacker: Tenant) -> None:
    ends = time.monotonic() + 6
    request = head_of("/v1/runs", attacker.key)

    async def flood(peers: Peers) -> None:
        reader = await peers.open(request)
        writer = peers.writers[-1]
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < ends and not writer.is_closing():
                if not await reader.read(65536):
                    return
                writer.write(request)

    async with peers_of(stack) as peers, bystander.at_work(attack="requests of one key"):
        await asyncio.gather(*(flood(peers) for _ in range(100)))


async def test_commands_are_read_in_their_order_by_an_orchestrator_that_was_away(
    stack: AttackStack, attacker: Tenant
) -> None:
    target = await attacker.deploy(LONG)
    path = f"/v1/runs/{(await attacker.start(target)).json()['id']}"

    async def status() -> str:
        return (await attacker.client.get(path)).json()["status"]

    async def waits() -> bool:
        return await status() == "waiting"

    await eventually(waits)
    kinds = ("suspend", "resume", "suspend")
    orchestrator = stack.pid("orchestrator")
    os.kill(orchestrator, signal.SIGSTOP)
    try:
        for kind in kinds:
            assert (await attacker.client.post(f"{path}/{kind}")).status_code == httpx.codes.ACCEPTED
    finally:
        os.kill(orchestrator, signal.SIGCONT)

    async def all_read() -> bool:
        items = (await attacker.client.get(f"{path}/history")).json()["items"]
        said = [item["type"] for item in items if item["type"] in {"workflow.suspended", "workflow.resumed"}]
        return said == ["workflow.suspended", "workflow.resumed", "workflow.suspended"]

    await eventually(all_read)
    assert await status() == "suspended"
    audit = await attacker.client.get("/v1/audit", params={"target": f"run:{path.rpartition('/')[2]}"})
    told = [item["action"] for item in reversed(audit.json()["items"])]
    assert told == [f"run.{kind}" for kind in kinds]
    await attacker.client.post(f"{path}/cancel")
