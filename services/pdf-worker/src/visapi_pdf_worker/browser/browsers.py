"""Supervises the browsers: all tenants share one, which is replaced when it dies, hangs or grows too large.

A browser serves until its successor is ready, and then finishes its open documents. Each browser has its own
Playwright driver, so a dead driver is replaced together with its browser. A tenant may have a separate
browser for a while: after one of its documents was killed, or to repeat a document whose browser died, so
that no other tenant is affected.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from visapi_common.adapters.egress_proxy import EgressProxy
from visapi_common.core.errors import Fault, TransientFault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_pdf_worker.browser import chromium
from visapi_pdf_worker.browser.browser_launch import (
    BrowserSettings,
    LaunchPlan,
    browser_settings,
    launch,
)
from visapi_pdf_worker.browser.driver_noise import quieten
from visapi_pdf_worker.browser.running_browser import RunningBrowser

__all__ = ["BrowserSettings", "Browsers", "RunningBrowser", "browser_settings"]

_ALONE_MAX = 2
_GIVING_WAY_MAX = 1
_GIVING_WAY_NICE = 5
"""Of a browser that gives way: a third of the CPU time while others want it, all of it otherwise."""
_LAUNCHES = 2
"""A failed launch is repeated once, because the cause may be the end of the previous browser."""
_CLOSE_WAIT_S = 15.0


class Browsers:
    """Hands out the current browser. Start it with `start`, end it with `stop`."""

    def __init__(
        self, settings: BrowserSettings, proxy: EgressProxy, proxy_port: int, metrics: Metrics
    ) -> None:
        """`proxy_port` is for what no page asks for."""
        self._settings = settings
        self._flags = chromium.flags(proxy_port)
        self._proxy = proxy
        self._restarts = metrics.browser_restarts
        self._current: RunningBrowser | None = None
        self._launching = asyncio.Lock()
        self._one_driver_at_a_time = asyncio.Lock()
        self._replacing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._alone: set[RunningBrowser] = set()
        self._alone_places = asyncio.Semaphore(_ALONE_MAX)
        self._giving_way_places = asyncio.Semaphore(_GIVING_WAY_MAX)
        self._log = get_logger("browser")

    @property
    def _plan(self) -> LaunchPlan:
        return LaunchPlan(self._settings, self._flags, self._proxy)

    async def start(self) -> None:
        """Launch the first browser. Raises a `Fault` when this machine cannot run one."""
        quieten(asyncio.get_running_loop())
        await self._usable()

    async def stop(self) -> None:
        """End all browsers."""
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait({self._replacing})
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
                self._replace(running, "recycled")
            elif running.retired is not None and running.in_flight == 0:
                self._close(running)

    @asynccontextmanager
    async def alone(self, *, gives_way: bool) -> AsyncGenerator[RunningBrowser]:
        """A new browser for one job, ended with it; only a few are there at once. One that `gives_way` to the
        others has a lower priority.
        """
        # The shared browser comes first, because all other tenants wait for it.
        await self._usable()
        async with self._giving_way_places if gives_way else self._alone_places:
            running = await launch(
                self._plan,
                self._one_driver_at_a_time,
                shared=False,
                nice=_GIVING_WAY_NICE if gives_way else 0,
            )
            async with self._ended_after(running):
                yield running

    @asynccontextmanager
    async def _ended_after(self, running: RunningBrowser) -> AsyncGenerator[None]:
        self._alone.add(running)
        running.in_flight = running.jobs = 1
        try:
            yield
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
                self._replace(probed, "memory")
        except TimeoutError:
            if probed is not None and probed.retired is None:
                self._retire(probed, "timeout")
                probed.kill()
            return False
        except Exception as error:  # noqa: BLE001 (the watch continues after any exception of a dying driver)
            self._log.warning("browser_unfit", detail=repr(error))
            return False
        return True

    def _replace(self, running: RunningBrowser, reason: str) -> None:
        """Retire it as soon as there is a successor."""
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.get_running_loop().create_task(self._succeed(running, reason))

    async def _succeed(self, running: RunningBrowser, reason: str) -> None:
        try:
            async with self._launching:
                if self._current is running and running.usable:
                    self._current = await self._launched()
                    self._retire(running, reason)
        except Fault as fault:
            self._log.warning("no_successor", detail=str(fault))

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
            self._current = await self._launched()
            return self._current

    async def _launched(self) -> RunningBrowser:
        for left in reversed(range(_LAUNCHES)):
            try:
                running = await launch(self._plan, self._one_driver_at_a_time, shared=True)
            except TransientFault as fault:
                if not left:
                    raise
                self._log.warning("launch_repeated", detail=str(fault))
            else:
                self._log.info("browser_started", version=running.browser.version)
                return running
        raise AssertionError("the loop returns or raises")
