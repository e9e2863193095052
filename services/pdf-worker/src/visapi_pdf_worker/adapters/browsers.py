"""Supervision: there is one browser for all, and soon another when it dies, hangs or has grown too large.

A retired browser finishes what it holds while its successor takes new work. Each has a Playwright driver
of its own, so a dead driver is replaced together with its browser. Beside the shared one a tenant may
have a browser of its own for a while: when a document of it was ended by force, or to repeat a document
whose browser died, so that nobody else is hit.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_pdf_worker.adapters import chromium
from visapi_pdf_worker.adapters.browser_launch import BrowserSettings, browser_settings, launch
from visapi_pdf_worker.adapters.running_browser import RunningBrowser

__all__ = ["BrowserSettings", "Browsers", "RunningBrowser", "browser_settings"]

_SUSPECT_NICE = 10
"""Documents of a tenant under suspicion give way to those of others."""
_ALONE_MAX = 2
_SUSPECTED_MAX = 1
_CLOSE_WAIT_S = 15.0


class Browsers:
    """Hands out the current browser. Start it with `start`, end it with `stop`."""

    def __init__(self, settings: BrowserSettings, proxy_port: int, metrics: Metrics) -> None:
        self._settings = settings
        self._flags = chromium.flags(proxy_port)
        self._restarts = metrics.browser_restarts
        self._current: RunningBrowser | None = None
        self._launching = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._alone: set[RunningBrowser] = set()
        self._alone_places = asyncio.Semaphore(_ALONE_MAX)
        self._suspected_places = asyncio.Semaphore(_SUSPECTED_MAX)
        self._log = get_logger("browser")

    async def start(self) -> None:
        """Launch the first browser. Raises a `Fault` when this machine cannot run one."""
        await self._usable()

    async def stop(self) -> None:
        """End all browsers."""
        running = [*self._alone, *([self._current] if self._current is not None else [])]
        self._current = None
        await asyncio.gather(*(browser.close() for browser in running))
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_WAIT_S)

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

    @asynccontextmanager
    async def alone(self, *, suspected: bool) -> AsyncGenerator[RunningBrowser]:
        """A new browser for one job, ended with it. Only a few are there at once."""
        places = self._suspected_places if suspected else self._alone_places
        # Launches come one after the other, and everybody else waits for the shared one.
        await self._usable()
        async with places, self._launched(suspected=suspected) as running:
            yield running

    @asynccontextmanager
    async def _launched(self, *, suspected: bool) -> AsyncGenerator[RunningBrowser]:
        async with self._launching:
            running = await launch(self._settings, self._flags, nice=_SUSPECT_NICE if suspected else 0)
        self._alone.add(running)
        running.in_flight = running.jobs = 1
        try:
            yield running
        finally:
            running.in_flight = 0
            self._alone.discard(running)
            running.kill()
            self._close(running)

    async def check(self) -> bool:
        """Probe the browser; replace it when it is dead, hangs, or holds too much memory."""
        probed = self._current
        try:
            probed = await self._usable()
            await probed.probe()
            if probed.in_flight == 0 and probed.memory_mb() > self._settings.memory_max_mb:
                self._retire(probed, "memory")
        except TimeoutError:
            if probed is not None and probed.retired is None:
                self._retire(probed, "timeout")
                probed.kill()
            return False
        except Exception as error:  # noqa: BLE001 (the watch goes on whatever a dying driver raises)
            self._log.warning("browser_unfit", detail=repr(error))
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
                running.kill()
            self._current = None
            self._current = await launch(self._settings, self._flags)
        self._log.info("browser_started", version=self._current.browser.version)
        return self._current
