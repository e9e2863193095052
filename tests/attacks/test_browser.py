"""Hostile documents: whatever one tenant prints, the PDFs of another arrive and memory stays bounded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psutil
import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.forms import variants

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

STACK_SETTINGS = {"VISAPI_PDF_TIMEOUT_S": "10"}
_AT_ONCE = 4
_TREE_MB_MAX = 4500
"""Two bombs in the shared browser and one apart, 1,024 MB each, beside three browsers."""
_P99_MS = 20_000
"""Both cores are at the attack's disposal until its time is over; printing costs 30 ms alone."""

_USES = "".join(f"<g id='a{n}'>" + f"<use href='#a{n - 1}'/>" * 10 + "</g>" for n in range(1, 8))
_NOISY = (
    "<canvas width=2000 height=2000></canvas>"
    * 30
    + "<script>for (const canvas of document.querySelectorAll('canvas')) { const c = canvas.getContext('2d');"
    "const d = c.createImageData(2000, 2000); for (let at = 0; at < d.data.length; at += 65536)"
    " crypto.getRandomValues(d.data.subarray(at, at + 65536)); c.putImageData(d, 0, 0) }</script>"
)
_ERRORS = (
    "<script>const fail = () => { for (let n = 0; n < 50; n++) setTimeout(() => { throw n }); setTimeout(fail) };"
    "fail()</script>"
)
_FRAMES = (
    "<script>const add = () => { for (let n = 0; n < 20; n++) { const frame = document.createElement('iframe');"
    "document.documentElement.append(frame); frame.remove() } setTimeout(add) }; add()</script>"
)
DOCUMENTS = {
    "noisy canvases": (_NOISY, True),
    "nested use": (
        f"<svg><defs><g id='a0'><circle r='5'/></g>{_USES}</defs><use href='#a7'/></svg>",
        False,
    ),
    "a heap bomb": (
        "<script>const a = []; for (;;) a.push(new Array(10000).fill(a.length + 0.5))</script>",
        True,
    ),
    "an endless script": ("<script>for (;;) {}</script>", True),
    "a history flood": (
        "<script>for (let n = 0; n < 1e6; n++) history.pushState(n, '', '#' + n)</script>",
        True,
    ),
    "a flood of console messages": ("<script>for (;;) console.log('x'.repeat(100))</script>", True),
    "a flood of dialogs": ("<script>for (;;) alert(1)</script>", True),
    "a flood of errors": (_ERRORS, True),
    "a flood of frames": (_FRAMES, True),
    "SVG filters": (
        "<svg width=4000 height=4000><filter id=f>"
        + "<feGaussianBlur stdDeviation=200 /><feTurbulence numOctaves=50 baseFrequency=9 />" * 20
        + "</filter><rect width=4000 height=4000 filter='url(#f)'/></svg>",
        False,
    ),
    "endless pages": ("<style>div { page-break-after: always }</style>" + "<div>x</div>" * 20_000, False),
    "a huge page": (
        "<style>@page { size: 5000mm 5000mm } div { width: 4900mm; height: 4900mm;"
        " background: conic-gradient(red, blue); filter: blur(40px) }</style>" + "<div></div>" * 50,
        False,
    ),
}
_PRINT = """
document: {dsl: '1.0.3', namespace: attack, name: print, version: '1.0.0'}
do:
  - print:
      call: pdf.render
      with: {html: '${ .html }', options: {javascript: '${ .scripted }'}}
"""


class Peak:
    """The most memory that the PDF worker and everything below it used."""

    def __init__(self) -> None:
        self.mb = 0.0

    async def watch(self, stack: AttackStack) -> None:
        while True:
            with contextlib.suppress(AssertionError, psutil.NoSuchProcess, KeyError):
                self.mb = max(self.mb, await asyncio.to_thread(_unique_mb, stack.pid("pdf-worker")))
            await asyncio.sleep(0.2)


def _unique_mb(pid: int) -> float:
    total = 0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            info = process.memory_info()
            total += info.rss - info.shared
    return total / 1e6


@contextlib.asynccontextmanager
async def measured(stack: AttackStack) -> AsyncIterator[Peak]:
    peak = Peak()
    task = asyncio.create_task(peak.watch(stack))
    try:
        yield peak
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("kind", variants(DOCUMENTS, short=["a heap bomb"]))
async def test_a_hostile_document_costs_its_own_run_only(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, kind: str
) -> None:
    html, scripted = DOCUMENTS[kind]
    target = await attacker.deploy(_PRINT)
    body = {"html": html, "scripted": scripted}
    async with measured(stack) as peak, bystander.at_work("pdf", attack=kind, p99_ms=_P99_MS):
        async with asyncio.timeout(180):
            answers = await asyncio.gather(
                *(attacker.start(target, body, wait_s=55) for _ in range(_AT_ONCE))
            )
    print(f"{kind}: {peak.mb:.0f} MB at most; {[answer.json()['status'] for answer in answers]}")
    assert peak.mb < _TREE_MB_MAX
    assert stack.restarts()["pdf-worker"] == 0


@pytest.mark.parametrize("kind", ["driver", "browser"])
async def test_a_killed_part_of_the_browser_costs_nobody_a_document(
    stack: AttackStack, bystander: Bystander, kind: str
) -> None:
    async with bystander.at_work("pdf", attack=f"killing the {kind}", p99_ms=_P99_MS):
        for _ in range(3):
            victim = await asyncio.to_thread(_find, stack.pid("pdf-worker"), kind)
            victim.kill()
            async with asyncio.timeout(30):
                while victim.is_running() or not await asyncio.to_thread(_there, stack, kind):
                    await asyncio.sleep(0.1)


def _find(worker: int, kind: str) -> psutil.Process:
    below = psutil.Process(worker).children(recursive=True)
    if kind == "driver":
        return next(process for process in below if "run-driver" in process.cmdline())
    browsers = [
        process for process in below if any(word.startswith("--user-data-dir") for word in process.cmdline())
    ]
    return min(browsers, key=lambda process: process.create_time())


def _there(stack: AttackStack, kind: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, StopIteration, ValueError):
        return _find(stack.pid("pdf-worker"), kind).is_running()
    return False
