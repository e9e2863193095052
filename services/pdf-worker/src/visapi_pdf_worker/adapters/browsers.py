"""Supervision: there is one browser, and soon another when it dies, hangs or has grown too large.

A retired browser finishes what it holds while its successor takes new work. Each has a Playwright
driver of its own, so a dead driver is replaced together with its browser.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from playwright.async_api import Browser, Playwright, async_playwright

from visapi_common.core.errors import Fault, PermanentFault, TransientFault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_pdf_worker.adapters import chromium
from visapi_pdf_worker.adapters.browser_faults import browser_faults, unless_gone
from visapi_pdf_worker.adapters.cdp import Cdp, cdp
from visapi_pdf_worker.adapters.static_pages import StaticPages
from visapi_pdf_worker.settings import PdfWorkerSettings

T = TypeVar("T")

_LAUNCH_S = 20.0
_PROBE_S = 5.0
_CLOSE_S = 5.0
_PAGE_BYTES = 4096
_WARM_UP = "<p style='font-family:sans-serif'>VisAPI <b>warm</b> <i>up</i></p>"


class BrowserSettings(msgspec.Struct, frozen=True):
    """`chromium` and `user` may be empty; see `chromium.prepare`."""

    folder: Path
    chromium: str
    user: str
    sandbox: bool
    jobs_max: int
    memory_max_mb: int


def browser_settings(settings: PdfWorkerSettings, user: str, folder: Path) -> BrowserSettings:
    """What concerns the browser. `folder` is private to this process, `user` whom Chromium becomes."""
    return BrowserSettings(
        folder=folder,
        chromium=settings.chromium,
        user=user,
        sandbox=settings.chromium_sandbox == "on",
        jobs_max=settings.browser_jobs_max,
        memory_max_mb=settings.browser_memory_max_mb,
    )


class RunningBrowser:
    """One Chromium with its driver and the pages kept in it."""

    def __init__(self, playwright: Playwright, browser: Browser, session: Cdp) -> None:
        self.browser = browser
        self.static = StaticPages(browser)
        self.jobs = 0
        self.in_flight = 0
        self.retired: str | None = None
        self._playwright = playwright
        self._session = session
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        browser.on("disconnected", self._on_disconnected)

    def _on_disconnected(self, _browser: Browser) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    async def guarded(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` in this browser; raises `BrowserGone` as soon as the browser is."""
        return await unless_gone(work, self._gone, "rendering the document")

    @property
    def usable(self) -> bool:
        return self.retired is None and self.browser.is_connected()

    async def probe(self) -> None:
        """Ask the browser for its version. Raises a `Fault`, or `TimeoutError`."""
        async with asyncio.timeout(_PROBE_S):
            with browser_faults("probing the browser"):
                await self._session.send("Browser.getVersion")

    async def memory_mb(self) -> float:
        """Private memory of the browser's processes."""
        async with asyncio.timeout(_PROBE_S):
            with browser_faults("probing the browser"):
                answer = await self._session.send("SystemInfo.getProcessInfo")
        return sum(_private_mb(int(process["id"])) for process in answer["processInfo"])

    async def close(self) -> None:
        """End the browser and its driver, by force when they do not end in time."""
        for end in (self.browser.close, self._playwright.stop):
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await end()
            except Exception as error:  # noqa: BLE001 (it is being thrown away; the kernel ends what is left)
                get_logger("browser").warning("browser_close", detail=repr(error))


class Browsers:
    """Hands out the current browser. Start it with `start`, end it with `stop`."""

    def __init__(self, settings: BrowserSettings, proxy_port: int, metrics: Metrics) -> None:
        self._settings = settings
        self._flags = chromium.flags(proxy_port)
        self._restarts = metrics.browser_restarts
        self._current: RunningBrowser | None = None
        self._launching = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._log = get_logger("browser")

    async def start(self) -> None:
        """Launch the first browser. Raises `PermanentFault` when this machine cannot run one."""
        await self._usable()

    async def stop(self) -> None:
        """End the browser and wait for retired ones."""
        if self._current is not None:
            await self._current.close()
            self._current = None
        if self._closing:
            await asyncio.wait(self._closing)

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[RunningBrowser]:
        """The current browser for one job; launched anew when the last one died."""
        running = await self._usable()
        running.in_flight += 1
        running.jobs += 1
        try:
            yield running
        finally:
            running.in_flight -= 1
            if running.jobs >= self._settings.jobs_max and running.retired is None:
                self._retire(running, "recycled")
            elif running.retired is not None and running.in_flight == 0:
                self._close(running)

    async def check(self) -> bool:
        """Probe the browser; replace it when it is dead, hangs, or holds too much memory."""
        try:
            running = await self._usable()
            await running.probe()
            if running.in_flight == 0 and await running.memory_mb() > self._settings.memory_max_mb:
                self._retire(running, "memory")
        except TimeoutError:
            if self._current is not None and self._current.retired is None:
                self._retire(self._current, "timeout")
            return False
        except Fault as fault:
            self._log.warning("browser_unfit", detail=str(fault))
            return False
        return True

    def _retire(self, running: RunningBrowser, reason: str) -> None:
        running.retired = reason
        self._restarts.labels(reason=reason).inc()
        self._log.info("browser_retired", reason=reason, jobs=running.jobs)
        if running.in_flight == 0:
            self._close(running)

    def _close(self, running: RunningBrowser) -> None:
        task = asyncio.get_running_loop().create_task(running.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _usable(self) -> RunningBrowser:
        if self._current is not None and self._current.usable:
            return self._current
        async with self._launching:
            running = self._current
            if running is not None and running.usable:
                return running
            if running is not None and running.retired is None:
                self._retire(running, "crashed")
            self._current = await self._launch()
            return self._current

    async def _launch(self) -> RunningBrowser:
        playwright = await async_playwright().start()
        settings = self._settings
        try:
            way = chromium.prepare(
                settings.folder,
                setting=settings.chromium,
                playwrights=playwright.chromium.executable_path,
                user=settings.user,
                sandbox=settings.sandbox,
            )
            with browser_faults("starting Chromium"):
                browser = await playwright.chromium.launch(
                    executable_path=way.program,
                    chromium_sandbox=way.sandbox,
                    args=self._flags,
                    env={**way.environment},
                    timeout=_LAUNCH_S * 1000,
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                )
                session = await browser.new_browser_cdp_session()
            running = RunningBrowser(playwright, browser, cdp(session))
            await running.static.print("warm-up", _WARM_UP, {"printBackground": True})
        except BaseException as error:
            await playwright.stop()
            if isinstance(error, TransientFault | PermanentFault) and settings.sandbox:
                raise _explained(error) from error
            raise
        self._log.info("browser_started", version=browser.version)
        return running


def _explained(error: Fault) -> Fault:
    detail = (
        f"{error}; if this machine allows no user namespaces, Chromium's sandbox cannot work: "
        "allow them (sysctl kernel.unprivileged_userns_clone=1), or set VISAPI_CHROMIUM_SANDBOX=off "
        "where every document is trusted"
    )
    return type(error)(detail)


def _private_mb(pid: int) -> float:
    """Resident minus shared pages; 0 for a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES / 1e6
