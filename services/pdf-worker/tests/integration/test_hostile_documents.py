"""Documents that eat memory or time cost themselves only."""

import asyncio
import os
from pathlib import Path

import pytest

from kit.forms import variants
from kit.waiting import eventually
from visapi_common.core.errors import ProblemError
from visapi_pdf_worker.browser.process_tree import ProcessTree
from visapi_pdf_worker.functions.render.service import EndedByForce, RenderTimeout

USES = "".join(
    f"<g id='a{n}'>" + f"<use href='#a{n - 1}'/>" * 10 + "</g>" for n in range(1, 8)
)  # ten million circles
BOMBS = {
    "nested use": (f"<svg><defs><g id='a0'><circle r='5'/></g>{USES}</defs><use href='#a7'/></svg>", False),
    "heap": ("<script>const a = []; for (;;) a.push(new Array(10000).fill(a.length + 0.5))</script>", True),
    "buffers": (
        "<script>const a = []; for (;;) a.push(new Uint8Array(64 << 20).fill(a.length))</script>",
        True,
    ),
}
NOISE = (
    "<canvas width=3000 height=3000></canvas><script>const c = document.querySelector('canvas').getContext('2d');"
    "const d = c.createImageData(3000, 3000); for (let at = 0; at < d.data.length; at += 65536)"
    " crypto.getRandomValues(d.data.subarray(at, at + 65536)); for (let at = 3; at < d.data.length; at += 4)"
    " d.data[at] = 255; c.putImageData(d, 0, 0)</script>"
)


class Peak:
    """The most memory that everything below this process used."""

    def __init__(self) -> None:
        self.mb = 0.0
        self._tree = ProcessTree(os.getpid())

    async def watch(self) -> None:
        while True:
            self._tree.refresh()
            weights = [weight for weight in self._tree.weights() if weight.pid != os.getpid()]
            self.mb = max(self.mb, sum(weight.own_mb for weight in weights))
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("bomb", variants(BOMBS, short=["nested use"]))
async def test_a_memory_bomb_is_ended_by_its_name_and_an_honest_tenants_documents_arrive(rig, bomb):
    html, scripted = BOMBS[bomb]
    peak = Peak()
    watch = asyncio.create_task(peak.watch())
    hostile = asyncio.create_task(rig.render(tenant="hostile", html=html, options={"javascript": scripted}))
    arrived = 0
    while not hostile.done():
        assert f"honest {arrived}" in await rig.text(tenant="honest", html=f"<p>honest {arrived}")
        arrived += 1
    watch.cancel()
    if bomb == "nested use":  # on a busy machine its time is over before its memory is
        with pytest.raises((EndedByForce, RenderTimeout)):
            await hostile
    else:
        with pytest.raises(EndedByForce, match="used more than 1024 MB"):
            await hostile
    assert arrived > 0
    assert peak.mb < 3000, f"{peak.mb:.0f} MB"


async def test_a_tenant_under_suspicion_is_printed_apart_and_its_honest_documents_arrive(rig):
    rig.limit(render_s=2.0)
    with pytest.raises(RenderTimeout):
        await rig.render(tenant="hostile", html="<script>for (;;) {}</script>", options={"javascript": True})
    async with rig.browsers.use() as running:
        jobs = running.jobs
        assert "apart" in await rig.text(tenant="hostile", html="<p>apart")
        assert running.jobs == jobs
        assert "shared" in await rig.text(tenant="honest", html="<p>shared")
        assert running.jobs == jobs + 1


async def test_a_pdf_that_is_too_large_is_refused_before_all_of_it_was_taken(rig):
    rig.limit(bytes_max=2_000_000)
    with pytest.raises(ProblemError, match="more than 2000000 bytes"):
        await rig.render(html=NOISE, options={"javascript": True})
    assert "next" in await rig.text(html="<p>next")


async def test_a_document_that_works_long_gives_way_with_all_its_threads_and_others_do_not(rig):
    rig.limit(render_s=6.0)
    await rig.render(tenant="honest", html="<p>honest")
    async with rig.browsers.use() as running:
        endless = rig.render(
            tenant="hostile", html="<script>for (;;) {}</script>", options={"javascript": True}
        )
        hostile = asyncio.create_task(endless)
        lowered = await eventually(lambda: [pid for pid in renderers(running) if niceness(pid) == {10}])
        await rig.render(tenant="honest", html="<p>honest")
        assert len(lowered) == 1
        assert len(renderers(running)) > 1
        with pytest.raises(RenderTimeout):
            await hostile


async def test_a_document_that_navigates_without_end_holds_up_no_other(rig):
    # It gives way to everything else, so beside other work it takes many times as long as alone.
    rig.limit(render_s=120.0)
    flood = "<script>for (let n = 0; n < 1e6; n++) history.pushState(n, '', '#' + n)</script><p>arrived"
    hostile = asyncio.create_task(rig.text(tenant="hostile", html=flood, options={"javascript": True}))
    printed = 0
    while not hostile.done():
        assert "honest" in await rig.text(tenant="honest", html="<p>honest")
        printed += 1
    assert "arrived" in await hostile
    assert printed > 1


FLOODS = {
    "the console": "for (let n = 0; n < 100_000; n++) console.log('x'.repeat(50))",
    "dialogs": "for (let n = 0; n < 20_000; n++) alert(n)",
}


@pytest.mark.parametrize("flood", variants(FLOODS, short=["the console"]))
async def test_a_document_that_floods_the_browser_with_messages_is_printed_apart_and_arrives(rig, flood):
    rig.limit(render_s=120.0)
    async with rig.browsers.use() as running:
        html = f"<script>{FLOODS[flood]}</script><p>arrived"
        hostile = asyncio.create_task(rig.text(tenant="hostile", html=html, options={"javascript": True}))
        while not hostile.done():
            assert "honest" in await rig.text(tenant="honest", html="<p>honest")
        assert "arrived" in await hostile
        jobs = running.jobs
        await rig.render(tenant="hostile", html="<p>the next one is printed apart, too")
        assert running.jobs == jobs
        assert running.usable


SMALL = {"a word": "<p>hello</p>", "frames": "<iframe srcdoc='hello'></iframe>" * 5}


@pytest.mark.parametrize("small", SMALL)
async def test_small_documents_of_one_tenant_are_no_flood_while_a_document_of_another_waits(rig, small):
    waiting = {"javascript": True, "wait": {"delay_ms": 7000}}
    async with rig.browsers.use() as running:
        before, printed = running.jobs, 0
        slow = asyncio.create_task(rig.text(tenant="slow", html="<p>slow", options=waiting))
        while not slow.done():
            await rig.render(tenant="busy", html=SMALL[small])
            printed += 1
        assert "slow" in await slow
        assert running.jobs - before == printed + 1  # what is printed apart is no job of the shared browser


async def test_what_a_document_does_is_not_told_to_the_driver(rig):
    """Else its messages would delay the documents of others."""
    told: list[str] = []
    async with rig.browsers.use() as running:
        running._session.on("Target.receivedMessageFromTarget", lambda event: told.append(event["message"]))
        html = """<script>
          for (let n = 0; n < 300; n++) {
            console.log(n); document.title = n; fetch('/' + n).catch(() => 0); setTimeout(() => { throw n });
            const frame = document.createElement('iframe'); document.documentElement.append(frame); frame.remove();
          }
        </script><p>quiet"""
        assert "quiet" in await rig.text(html=html, options={"javascript": True})
    events = [message for message in told if '"method"' in message[:20]]
    assert told
    assert len(events) < 10


async def test_a_document_that_changes_without_end_while_its_requests_are_watched_is_ended(rig):
    html = """<script>setInterval(() => { for (let n = 0; n < 100; n++) {
      const frame = document.createElement('iframe'); document.documentElement.append(frame); frame.remove() } })
    </script>"""
    with pytest.raises(EndedByForce, match="network_idle"):
        await rig.render(html=html, options={"javascript": True, "wait": {"network_idle": True}})
    assert "next" in await rig.text(tenant="honest", html="<p>next")


async def test_the_browser_of_a_suspected_tenant_has_a_lower_priority(rig):
    async with rig.browsers.alone(gives_way=True) as running:
        [browser] = [pid for pid in running.tree._seen if b"--user-data-dir" in command(pid)][:1]
        assert os.getpriority(os.PRIO_PROCESS, browser) == os.getpriority(os.PRIO_PROCESS, 0) + 5


def renderers(running) -> list[int]:
    running.tree.refresh()
    return [weight.pid for weight in running.tree.weights() if weight.renderer]


def niceness(pid: int) -> set[int]:
    threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
