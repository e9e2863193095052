"""A tenant whose receivers hang delays nobody else's mails, webhooks, calls and documents."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

_CALLS = 320
"""More than all slots of the notifier."""
_AT_ONCE = 20
"""Starts at once: the load generator shares the machine with the stack."""
_HANGING = 100
"""Calls of one function that one tenant has under way at least: half of its slots."""
_ATTACK_S = 6.0
_CONNECTIONS = 300
"""That one tenant holds at least when it calls with every function at once: half of the slots of each."""


@contextlib.asynccontextmanager
async def _black_hole() -> AsyncIterator[tuple[str, list[int]]]:
    """A server that takes every request and answers none; its URL, and a count of the requests."""
    taken: list[int] = []
    ended = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            taken.append(len(taken))
            await ended.wait()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", taken
    finally:
        ended.set()
        server.close()


@pytest.mark.parametrize(
    "call",
    [
        "call: notify.webhook\n      with: {url: '${ .url }', payload: {}}",
        pytest.param("call: http\n      with: {method: get, endpoint: '${ .url }'}", marks=pytest.mark.full),
    ],
    ids=["webhooks", "calls"],
)
async def test_calls_that_are_never_answered_delay_no_webhook_and_no_mail_of_another_tenant(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, call: str
) -> None:
    name = f"hang-{'http' if 'http' in call.split()[1] else 'webhook'}"
    head = f"document: {{dsl: '1.0.3', namespace: attack, name: {name}, version: '1.0.0'}}\n"
    target = await attacker.deploy(f"{head}do:\n  - hang:\n      {call}\n")
    attack = f"{_CALLS} {name} calls that hang"
    async with _black_hole() as (url, taken), bystander.at_work("hook", "mail", attack=attack):
        for _ in range(_CALLS // _AT_ONCE):
            started = [attacker.start(target, {"url": url}) for _ in range(_AT_ONCE)]
            assert {answer.status_code for answer in await asyncio.gather(*started)} == {202}
        await eventually(lambda: len(taken) >= _HANGING)
        await asyncio.sleep(_ATTACK_S)


@pytest.mark.full
async def test_calls_of_every_kind_that_hang_take_no_connections_from_another_tenant(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    branches = "".join(
        f"          - {name}: {{call: {call}}}\n"
        for name, call in (
            ("hook", "notify.webhook, with: {url: '${ .url }', payload: {}}"),
            ("get", "http, with: {method: get, endpoint: '${ .url }'}"),
            ("api", "openapi, with: {document: {endpoint: '${ .url }'}, operationId: a}"),
        )
    )
    head = "document: {dsl: '1.0.3', namespace: attack, name: hang-all, version: '1.0.0'}\n"
    target = await attacker.deploy(f"{head}do:\n  - all:\n      fork:\n        branches:\n{branches}")
    attack = "calls of every kind that hang"
    async with _black_hole() as (url, taken), bystander.at_work("hook", "mail", attack=attack):
        for _ in range(_CALLS // _AT_ONCE):
            started = [attacker.start(target, {"url": url}) for _ in range(_AT_ONCE)]
            assert {answer.status_code for answer in await asyncio.gather(*started)} == {202}
        await eventually(lambda: len(taken) >= _CONNECTIONS)
        await asyncio.sleep(_ATTACK_S)
