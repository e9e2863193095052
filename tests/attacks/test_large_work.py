"""Inputs, mails and outputs of many MiB: their own tenant waits for them, the notifier's event loop does not."""

import asyncio
import os
from collections.abc import Callable

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from attacks.stalls import no_stalls
from kit.forms import variants
from kit.raw_server import answer, raw_server, saying
from visapi_common.adapters.artifacts import ArtifactStore

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
STACK_SETTINGS: dict[str, str] = {}
"""It counts stalls of event loops."""

MIB = 1024 * 1024
JSON = "content-type: application/json"
AT_ONCE = 3
ROW = b'{"id": 1, "name": "somebody", "tags": ["a", "b"]}'

SEND = """
document: {dsl: '1.0.3', namespace: large, name: NAME, version: '1.0.0'}
use: {secrets: [api]}
do:
  - fetch: {call: http, with: {method: get, endpoint: '${ .url }'}}
  - send:
      call: CALL
      output: {as: '${ null }'}
"""
CALLS = {
    "http": "http\n      with: {method: put, endpoint: URL, headers: {x-key: '${ $secrets.api.key }'}, body: BODY}",
    "webhook": "notify.webhook\n      with: {url: URL, payload: BODY, secret: '${ $secrets.api.hook }'}",
    "mail": "notify.email\n      with: {to: a@example.com, subject: '${ $secrets.api.key }', template: 'x', data: BODY}",
    "openapi": (
        "openapi\n      with: {document: {endpoint: URL}, operationId: '${ $secrets.api.key }', "
        "parameters: {a: BODY}}"
    ),
}


BODIES = dict.fromkeys(CALLS, "'${ [., .] }'") | {"http": "'${ . }'"}
"""What is sent of what was fetched: once, where more than 10 MiB cannot be sent; else nearly 16 MiB."""


def rows(piece: bytes, size: int) -> bytes:
    return b"[" + b",".join([piece] * (size // (len(piece) + 1) - 1)) + b"]"


SHAPES: dict[str, Callable[[], bytes]] = {
    "rows": lambda: rows(ROW, 7 * MIB),
    "what looks like handles": lambda: rows(b'"vsec1.WyJhcGkiXQ.%032d."' % 7, 7 * MIB),
    "deep arrays": lambda: rows(b"[" * 60 + b"]" * 60, 7 * MIB),
}


async def _keep_secret(attacker: Tenant) -> None:
    value = {"key": "kept-by-the-attacker-1", "hook": "whsec_" + "c2VjcmV0" * 4}
    kept = await attacker.client.put("/v1/secrets/api", json={"value": value})
    assert kept.status_code in (200, 201, 204), kept.text


@pytest.mark.parametrize("call", variants(CALLS, short=[]))
async def test_large_inputs_stall_no_event_loop(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, call: str
) -> None:
    await _keep_secret(attacker)
    prepared = await _prepared(stack)
    taken = saying(answer(b"{}", JSON))
    async with raw_server(taken) as receiver:
        written = CALLS[call].replace("BODY", BODIES[call]).replace("URL", f"'{receiver.url}'")
        target = await attacker.deploy(SEND.replace("NAME", call).replace("CALL", written))
        shapes = {name: make() for name, make in SHAPES.items()}
        attack = f"large inputs, {call}"
        async with (
            no_stalls(stack, "notifier", attack=attack),
            bystander.at_work("hook", "mail", attack=attack),
        ):
            for shape in shapes.values():
                async with raw_server(saying(answer(shape, JSON))) as server:
                    status = await attacker.ended(target, {"url": server.url}, within_s=180)
                assert status in ("completed", "faulted")
    assert await _prepared(stack) >= prepared + len(shapes), "no input was prepared in a process"
    assert set(stack.restarts().values()) == {0}


async def _prepared(stack: AttackStack) -> float:
    return await stack.metric("notifier", "visapi_bounded_jobs_total", job="prepare", outcome="done")


MAIL = """
document: {dsl: '1.0.3', namespace: large, name: attached, version: '1.0.0'}
do:
  - send:
      call: notify.email
      with: {to: a@example.com, subject: large, text: '${ .text }', attachments: '${ .files }'}
"""


@pytest.mark.full
async def test_mails_with_17_mib_of_attachments_stall_no_event_loop(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    store = ArtifactStore.open(f"file://{stack.data_dir}/artifacts")
    stored = [
        await store.put("attacker", os.urandom(17 * MIB // 2), "bin", "application/x") for _ in range(2)
    ]
    body = {"text": ".\r\n" * 50_000, "files": [{"artifact": ref.id} for ref in stored]}
    target = await attacker.deploy(MAIL)
    attack = "mails with 17 MiB of attachments"
    async with (
        no_stalls(stack, "notifier", attack=attack),
        bystander.at_work("hook", "mail", attack=attack),
    ):
        ended = await asyncio.gather(*(attacker.start(target, body, wait_s=60) for _ in range(AT_ONCE)))
    assert {one.json()["status"] for one in ended} == {"completed"}, ended[0].text
    assert sum(len(mail.content) > 20 * MIB for mail in stack.mails.received) == AT_ONCE
