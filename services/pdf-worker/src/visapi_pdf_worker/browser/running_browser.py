"""One Chromium with its Playwright driver and all their processes, which are supervised, limited and ended
together.

Whichever of the processes dies first, the browser counts as gone at once: the driver by its process
descriptor, the browser by Playwright's word. Memory and CPU time are looked at every tenth of a second while
documents are in work. A renderer that uses too much memory is killed, and else the whole tree; one that
floods the browser with messages is killed where others share the browser; one that works longer than an
ordinary document gives way to everything else.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from playwright.async_api import Browser, Playwright

from visapi_common.core.errors import Fault, ProblemError
from visapi_common.telemetry.logs import get_logger
from visapi_pdf_worker.browser.browser_faults import BrowserGone, browser_faults, unless_gone
from visapi_pdf_worker.browser.cdp import Cdp
from visapi_pdf_worker.browser.process_tree import ProcessTree, Weight, profile_of
from visapi_pdf_worker.browser.rules.blame import Blame
from visapi_pdf_worker.browser.rules.effort import Effort
from visapi_pdf_worker.browser.rules.memory import MemoryLimit, excess
from visapi_pdf_worker.browser.static_pages import StaticPages
from visapi_pdf_worker.browser.targets import Targets, TooNoisy

T = TypeVar("T")

PROBE_S = 5.0
_CLOSE_S = 3.0
_LOOK_EVERY_S = 0.1
_REFRESH_EVERY = 3
"""New processes are looked for at every third look."""
_EXIT_POLL_S = 0.5
_GIVE_WAY = 10
"""Niceness of what gives way: a tenth of the CPU time while others want it, all of it otherwise."""


class OverMemory(BrowserGone):
    """A document's process was ended because it used too much memory."""

    def __init__(self, used_mb: float, limit_mb: float) -> None:
        super().__init__(f"the document used more than {limit_mb:.0f} MB")
        self.used_mb = used_mb
        self.limit_mb = limit_mb


class Flooding(BrowserGone):
    """A document's process was ended because it kept the browser busy with messages."""

    def __init__(self) -> None:
        super().__init__("the document keeps the browser busy with messages")


class RunningBrowser:
    """See the module's docstring. `tree` is rooted at the driver."""

    def __init__(
        self,
        playwright: Playwright,
        browser: Browser,
        targets: Targets,
        tree: ProcessTree,
        *,
        limit: MemoryLimit,
        shared: bool,
    ) -> None:
        self.browser = browser
        self.targets = targets
        self.static = StaticPages(self.targets, self.kill)
        self.tree = tree
        self.jobs = 0
        self.in_flight = 0
        self.retired: str | None = None
        self._playwright = playwright
        self._session = targets.session
        self._limit = limit
        self._shared = shared
        self._begun: dict[object, float] = {}
        self._effort = Effort()
        self._blame = Blame[OverMemory | Flooding]()
        self._log = get_logger("browser")
        loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._looking: asyncio.Task[None] | None = None
        self._driver = loop.create_task(self._watch_driver())
        self._profile = profile_of(tree)
        browser.on("disconnected", self._on_disconnected)

    def _on_disconnected(self, _browser: Browser) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    async def _watch_driver(self) -> None:
        await _ended(self.tree.root)
        if not self._gone.done():
            self._log.warning("driver_died", pid=self.tree.root)
            self._gone.set_result(None)

    @property
    def usable(self) -> bool:
        return self.retired is None and not self._gone.done() and self.browser.is_connected()

    async def guarded(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` in this browser; raises `BrowserGone` as soon as the browser is, `OverMemory` or
        `Flooding` when the document's own process was ended.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        clock, job = asyncio.get_running_loop().time, object()
        begun = self._begun[job] = clock()
        try:
            return await unless_gone(work, self._gone, "rendering the document")
        except BrowserGone as gone:
            # When a shared browser is gone, nobody can say whose document was the cause.
            unknown = (self._shared and self._gone.done()) or isinstance(gone, TooNoisy)
            cause = None if unknown else self._blame.claim(begun, clock())
            if cause is not None:
                raise cause from gone
            raise
        except (Fault, ProblemError):
            raise
        except Exception as error:
            # Of a driver that dies the library tells in many ways, some of them bare exceptions.
            if self._gone.done() or not self.tree.rooted:
                raise BrowserGone(f"rendering the document: {error}") from error
            raise
        finally:
            del self._begun[job]

    async def _look(self) -> None:
        looks = 0
        while self.in_flight > 0 and not self._gone.done():
            if looks % _REFRESH_EVERY == 0:
                self.tree.refresh()
            looks += 1
            weights = self.tree.weights()
            self._bound_memory(weights)
            now = asyncio.get_running_loop().time()
            self._effort.look(now, min(self._begun.values(), default=now), weights)
            self._end_floods()
            for pid in self._effort.long():
                self.tree.lower(pid, _GIVE_WAY)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _bound_memory(self, weights: list[Weight]) -> None:
        found = excess(weights, self._limit)
        if found is None:
            return
        over = OverMemory(found.used_mb, self._limit.document_mb)
        self._blame.killed(asyncio.get_running_loop().time(), over)
        self._log.warning("memory_exceeded", used_mb=round(found.used_mb), renderer=found.pid)
        if found.pid:
            self.tree.kill_one(found.pid)
        else:
            self.kill()

    def _end_floods(self) -> None:
        """In a browser of its own a document floods nobody else."""
        for pid in self._effort.floods() if self._shared else ():
            self._blame.killed(asyncio.get_running_loop().time(), Flooding())
            self._log.warning("flood_ended", renderer=pid)
            self.tree.kill_one(pid)

    async def probe(self) -> None:
        """Ask the browser for its version. Raises a `Fault`, or `TimeoutError`."""
        async with asyncio.timeout(PROBE_S):
            with browser_faults("probing the browser"):
                await unless_gone(
                    _send(self._session, "Browser.getVersion"), self._gone, "probing the browser"
                )

    def memory_mb(self) -> float:
        """Memory of the browser's processes and its driver that belongs to them alone."""
        self.tree.refresh()
        return sum(weight.own_mb for weight in self.tree.weights())

    def kill(self) -> None:
        """End every process at once; work in this browser raises `BrowserGone`."""
        self.tree.kill()
        if not self._gone.done():
            self._gone.set_result(None)

    async def close(self) -> None:
        """End the browser, its driver, and what they left: politely, then by force."""
        self.tree.refresh()
        self._driver.cancel()
        if self._looking is not None:
            self._looking.cancel()
        if not self._gone.done():
            await self._bounded(self.browser.close)
        self.kill()
        await self.targets.close_ports()
        # The driver is dead by now: this closes its pipes.
        await self._bounded(self._playwright.stop)
        if self._profile is not None:
            await asyncio.to_thread(shutil.rmtree, self._profile, ignore_errors=True)

    async def _bounded(self, end: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await end()
        except Exception as error:  # noqa: BLE001 (the browser is discarded, and its processes are killed)
            self._log.debug("browser_close", detail=repr(error))


async def _send(session: Cdp, method: str) -> dict[str, Any]:
    return await session.send(method)


async def _ended(pid: int) -> None:
    """Wait for the end of a process that this one started, without collecting it."""
    if not hasattr(os, "pidfd_open"):
        while _signalable(pid):  # noqa: ASYNC110 (nobody could set an event)
            await asyncio.sleep(_EXIT_POLL_S)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _signalable(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
