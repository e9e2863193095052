"""Whatever of the browser dies or hangs: no document is lost by it, and nothing of it is left."""

import asyncio
import gc
import random
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import psutil
import pytest
from playwright.async_api import Error

from kit.waiting import eventually
from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_common.worker.faults import Postponed
from visapi_pdf_worker.browser.browser_faults import BrowserGone
from visapi_pdf_worker.browser.browsers import Browsers
from visapi_pdf_worker.browser.guarded_page import GuardedPage
from visapi_pdf_worker.browser.process_tree import Weight
from visapi_pdf_worker.browser.running_browser import OverMemory
from visapi_pdf_worker.browser.watching import first, watch

SLOW = {"javascript": True, "wait": {"delay_ms": 1500}}


@pytest.fixture
async def watched(rig) -> AsyncIterator[list[bool]]:
    """The watch over the browser, as the service runs it; what it reported."""
    reports: list[bool] = []
    task = asyncio.create_task(watch(rig.browsers.check, reports.append))
    yield reports
    task.cancel()
    await asyncio.wait({task})


def part(running, kind: str) -> psutil.Process:
    """The driver, the browser or the newest renderer."""
    driver = psutil.Process(running.tree.root)
    if kind == "driver":
        return driver
    below = [child for child in driver.children(recursive=True) if child.is_running()]
    if kind == "browser":
        return next(child for child in below if not any("--type=" in word for word in child.cmdline()))
    renderers = [child for child in below if "--type=renderer" in child.cmdline()]
    return max(renderers, key=lambda child: (child.create_time(), child.pid))


def runs(process: psutil.Process) -> bool:
    """A process that has ended is listed until its parent reaps it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("kind", ["driver", "browser", "renderer"])
async def test_a_document_whose_browser_dies_is_printed_all_the_same(rig, kind):
    async with rig.browsers.use() as running:
        before = len(running.targets.open_pages)
        asked = asyncio.create_task(rig.text(html="<p>all the same", options=SLOW))
        await eventually(lambda: len(running.targets.open_pages) > before)
        part(running, kind).kill()
        assert "all the same" in await asked
    assert "the next" in await rig.text(html="<p>the next")


async def crashed(page: GuardedPage) -> None:
    with suppress(Error):
        await page.target.send("Page.crash")


async def test_a_document_that_crashes_is_not_charged_with_what_its_neighbour_was_killed_for(rig):
    async with rig.browsers.use() as running:
        pages = [
            await GuardedPage.open(running.targets, running.kill, "one", javascript=True) for _ in range(2)
        ]
        works = [page.guarded(asyncio.Event().wait(), "rendering the document") for page in pages]
        first_one, second = (asyncio.create_task(running.guarded(work)) for work in works)
        await eventually(lambda: len(running._begun) == 2)
        running._blame.killed(asyncio.get_running_loop().time(), OverMemory(2000.0, 1000.0))
        await crashed(pages[0])
        with pytest.raises(OverMemory):
            await first_one
        await crashed(pages[1])
        with pytest.raises(BrowserGone) as gone:
            await second
        assert not isinstance(gone.value, OverMemory)


async def test_where_a_whole_browser_is_ended_for_its_memory_its_documents_arrive_unsuspected(rig):
    async with rig.browsers.use() as running:
        before = len(running.targets.open_pages)
        asked = [
            asyncio.create_task(rig.text(tenant=tenant, html=f"<p>{tenant}", options=SLOW))
            for tenant in ("first", "second")
        ]
        await eventually(lambda: len(running.targets.open_pages) > before + 1)
        running._bound_memory([Weight(running.tree.root, 1e6, 0.0, renderer=False)])
        assert not running.usable
        assert [(await one).strip() for one in asked] == ["first", "second"]
    assert not rig.renderer._suspected("first")
    assert not rig.renderer._suspected("second")


@pytest.mark.parametrize("kind", ["driver", "browser"])
async def test_a_part_that_hangs_is_found_and_replaced(rig, watched, kind):
    async with rig.browsers.use() as running:
        hung = part(running, kind)
        hung.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(60):
            assert "printed" in await rig.text(html="<p>printed")
    assert False in watched
    await eventually(lambda: watched[-1] and not runs(hung))


async def test_nothing_of_a_dead_browser_is_left(rig, watched):
    async with rig.browsers.use() as running:
        tree = [psutil.Process(running.tree.root)]
        tree += tree[0].children(recursive=True)
        profile = running._profile
        assert profile is not None
        assert profile.exists()
        tree[0].kill()
    await rig.render(html="next")
    await eventually(lambda: not profile.exists() and not any(alive(process) for process in tree))


@pytest.mark.timeout(300)
async def test_thirty_documents_arrive_while_parts_of_the_browser_are_killed_at_random(rig, watched):
    chance = random.Random(4)
    texts = asyncio.gather(*(rig.text(tenant=f"t{n % 5}", html=f"<p>number {n}") for n in range(30)))
    killed = 0
    while not texts.done() and killed < 5:
        async with rig.browsers.use() as running:
            kind = chance.choice(["driver", "browser", "renderer"])
            try:
                part(running, kind).kill()
                killed += 1
            except (psutil.NoSuchProcess, StopIteration, ValueError):
                await asyncio.sleep(0.05)
        await asyncio.wait({texts}, timeout=0.7)
    assert [f"number {n}" in text for n, text in enumerate(await texts)] == [True] * 30
    assert killed > 0


async def test_while_there_is_no_browser_documents_wait_and_then_arrive(rig, watched):
    settings = rig.browsers._settings
    rig.browsers._settings = msgspec.structs.replace(settings, chromium="/nowhere/chromium")
    async with rig.browsers.use() as running:
        part(running, "browser").kill()
    with pytest.raises(Postponed):
        await rig.render(html="too early")
    await eventually(lambda: watched[-1:] == [False])
    rig.browsers._settings = settings
    await eventually(lambda: watched[-1:] == [True])
    assert "in time" in await rig.text(html="<p>in time")


async def test_of_a_dead_driver_the_log_says_no_more_than_that_it_died(rig):
    loop, reported = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _loop, context: reported.append(context["message"]))
    browsers = Browsers(rig.browsers._settings, rig.proxy, 1, open_metrics())
    await browsers.start()
    async with browsers.use() as running:
        part(running, "driver").kill()
    await browsers.check()
    await browsers.stop()
    del running
    gc.collect()
    assert reported == []
    loop.create_future().set_exception(ValueError("a mistake of ours"))
    gc.collect()
    assert reported == ["Future exception was never retrieved"]


async def test_a_browser_that_is_to_be_replaced_serves_until_its_successor_is_there(rig):
    rig.browsers._settings = msgspec.structs.replace(rig.browsers._settings, jobs_max=1)
    async with rig.browsers.use() as first_one:
        pass
    assert first_one.usable
    async with asyncio.timeout(20):
        while first_one.usable:
            async with rig.browsers.use() as running:
                assert running.usable
            await asyncio.sleep(0.01)
    async with rig.browsers.use() as running:
        assert running is not first_one


async def test_a_first_browser_that_is_late_does_not_end_the_service():
    async def late() -> None:
        raise TransientFault("Chromium did not start")

    await first(late)


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
