"""Prints documents in the shared browser, or in a separate one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.core.errors import Fault
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.faults import Postponed
from visapi_pdf_worker.browser.browser_faults import BrowserGone
from visapi_pdf_worker.browser.browsers import Browsers, RunningBrowser
from visapi_pdf_worker.browser.running_browser import Flooding, OverMemory
from visapi_pdf_worker.browser.targets import TooNoisy
from visapi_pdf_worker.functions.render.rules.document import Document
from visapi_pdf_worker.functions.render.scripted_page import Printing, print_scripted
from visapi_pdf_worker.functions.render.service import EndedByForce, PrintApart, RenderTimeout

_ALONE_TRIES = 3
_NO_BROWSER_S = 2.0


class ChromiumPrinter:
    """Static documents on a page of their tenant, scripted ones in a context of their own.

    A document whose browser or renderer died is printed again, in a browser that nothing else uses: there
    it is certain whether the document was the cause. `bytes_max` bounds what is printed, `limit_s` the time
    in the shared browser and, again, the time alone.
    """

    def __init__(self, browsers: Browsers, *, bytes_max: int, limit_s: float) -> None:
        self._browsers = browsers
        self._bytes_max = bytes_max
        self._limit_s = limit_s
        self._log = get_logger("browser")

    async def print(
        self,
        tenant: str,
        document: Document,
        html: str | None,
        parameters: dict[str, Any],
        *,
        apart: bool,
    ) -> bytes:
        """See `service.Printer`."""
        job = Printing(tenant, document, html, parameters, self._bytes_max)
        if not apart:
            try:
                async with _available(self._browsers.use()) as running, _timed(self._limit_s):
                    return await _print(running, job)
            except TooNoisy as noisy:
                raise EndedByForce(_ended(f"{noisy}; wait for something else than network_idle")) from noisy
            except Flooding as flooding:
                raise PrintApart from flooding
            except BrowserGone as gone:
                self._log.warning("document_repeated", tenant=tenant, detail=str(gone))
                # A document that was killed for its memory was itself the cause.
                apart = isinstance(gone, OverMemory)
        return await self._alone(job, gives_way=apart)

    async def _alone(self, job: Printing, *, gives_way: bool) -> bytes:
        tries = 0
        while True:
            tries += 1
            try:
                alone = self._browsers.alone(gives_way=gives_way)
                async with _available(alone) as running, _timed(self._limit_s):
                    return await _print(running, job)
            except TooNoisy as noisy:
                raise EndedByForce(_ended(f"{noisy}; wait for something else than network_idle")) from noisy
            except OverMemory as over:
                raise EndedByForce(_ended(f"{over}; make it, its images or its data smaller")) from over
            except BrowserGone as gone:
                if tries == _ALONE_TRIES:
                    detail = f"the document ends each browser that prints it ({gone})"
                    raise EndedByForce(_ended(detail)) from gone


async def _print(running: RunningBrowser, job: Printing) -> bytes:
    if job.html is not None and not job.document.scripted:
        work = running.static.print(job.tenant, job.html, job.parameters, job.bytes_max)
    else:
        work = print_scripted(running.targets, job, running.kill)
    return await running.guarded(work)


@asynccontextmanager
async def _available(browser: AbstractAsyncContextManager[RunningBrowser]) -> AsyncGenerator[RunningBrowser]:
    """The browser. Raises `Postponed` while this machine gives none: nothing of the document was begun."""
    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(browser)
        except Fault as fault:
            get_logger("browser").warning("no_browser", detail=str(fault))
            raise Postponed(_NO_BROWSER_S) from fault
        yield running


@asynccontextmanager
async def _timed(limit_s: float) -> AsyncGenerator[None]:
    scope = asyncio.timeout(limit_s)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        detail = f"the document was not rendered within {limit_s:g} s; make it or its waits smaller"
        raise RenderTimeout(standard_error("timeout", 408, title="Render timeout", detail=detail)) from None


def _ended(detail: str) -> WorkflowError:
    return standard_error("runtime", 413, title="Document ended by force", detail=detail)
