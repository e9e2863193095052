"""Documents that are large or ask without end: the PDFs of another tenant wait for none of them."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.forms import variants
from kit.raw_server import answer, raw_server, saying

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

STACK_SETTINGS = {"VISAPI_PDF_TIMEOUT_S": "10"}
SECONDS = 8.0
_LARGE = 7 * 1024 * 1024
_P99_MS = 20_000
"""The bound of test_browser.py: both cores are at the disposal of the attack."""

_FETCHED = """
document: {dsl: '1.0.3', namespace: attack, name: NAME, version: '1.0.0'}
do:
  - fetch: {call: http, with: {method: get, endpoint: '${ .url }'}}
  - print:
      call: pdf.render
      with: {html: '${ . }', options: {javascript: SCRIPTED}}
"""
_PRINT = """
document: {dsl: '1.0.3', namespace: attack, name: NAME, version: '1.0.0'}
do:
  - print:
      call: pdf.render
      with: {html: '${ .html }', options: {javascript: true, wait: {expression: 'false'}}}
"""
_ASK = "fetch(`URL?${n++}`, {mode: 'no-cors'}).catch(() => 0)"
FLOODS = {
    "requests": f"<script>let n = 0; const ask = () => {{ for (let i = 0; i < 50; i++) {_ASK}; setTimeout(ask) }}; ask()</script>",
    "requests one after another": (
        f"<script>let n = 0; const ask = () => {_ASK}.then(ask); for (let i = 0; i < 64; i++) ask()</script>"
    ),
    "requests of names": (
        "<script>let n = 0; const ask = () => { for (let i = 0; i < 20; i++)"
        " fetch(`https://n${n++}.example.invalid/`, {mode: 'no-cors'}).catch(() => 0); setTimeout(ask) }; ask()</script>"
    ),
    "images": (
        "<script>let n = 0; const ask = () => { for (let i = 0; i < 50; i++) new Image().src = `URL?${n++}`;"
        " setTimeout(ask) }; ask()</script>"
    ),
}


async def _again_and_again(attacker: Tenant, target: str, body: Any, seen: Counter[str]) -> None:
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        seen[await attacker.ended(target, body, within_s=120)] += 1


@pytest.mark.parametrize("mode", variants(["static", "scripted"], short=["static"]))
async def test_documents_of_seven_megabytes(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, mode: str
) -> None:
    document = _FETCHED.replace("NAME", mode).replace("SCRIPTED", "true" if mode == "scripted" else "false")
    target, seen = await attacker.deploy(document), Counter[str]()
    page = b"<!--" + b"x" * _LARGE + b"--><p>the end"
    attack = f"{mode} documents of 7 MB"
    async with (
        raw_server(saying(answer(page, "content-type: text/html"))) as server,
        bystander.at_work("pdf", attack=attack, p99_ms=_P99_MS),
    ):
        body = {"url": server.url}
        await asyncio.gather(*(_again_and_again(attacker, target, body, seen) for _ in range(3)))
    print(f"\n{attack}: {dict(seen)}")
    assert seen["completed"] > 2


@pytest.mark.parametrize("kind", variants(FLOODS, short=["requests"]))
async def test_a_document_that_asks_without_end(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, kind: str
) -> None:
    target, seen = await attacker.deploy(_PRINT.replace("NAME", "ask")), Counter[str]()
    attack = f"a document that asks without end, {kind}"
    async with (
        raw_server(saying(answer(b"ok", "content-type: text/plain"))) as server,
        bystander.at_work("pdf", attack=attack, p99_ms=_P99_MS),
    ):
        body = {"html": FLOODS[kind].replace("URL", server.url)}
        await asyncio.gather(*(_again_and_again(attacker, target, body, seen) for _ in range(2)))
        asked = len(server.requests)
    print(f"\n{attack}: {dict(seen)}, {asked} requests")
