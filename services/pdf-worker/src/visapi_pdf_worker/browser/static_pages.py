"""Documents without scripts, on pages that are kept open per tenant.

Opening a context costs 50 ms of CPU, so each tenant keeps its own, on an origin that exists nowhere
(`https://<tenant>.documents.visapi.invalid/`, RFC 2606). Scripts are off; a document replaces the
page's content by CDP and is wiped after printing. Tenants never share a context.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from playwright.async_api import Browser, Error, Route

from visapi_common.core.errors import ProblemError
from visapi_pdf_worker.browser.browser_faults import BrowserGone, browser_faults
from visapi_pdf_worker.browser.guarded_page import GuardedPage

_CSP = "script-src 'none'; object-src 'none'; worker-src 'none'; form-action 'none'"
_READY = """Promise.all([document.fonts.ready,
  ...Array.from(document.images, image => image.decode().catch(() => null))]).then(() => true)"""
_NAVIGATED = "navigated or closed"
_IDLE_PAGES_MAX = 16
_USES_MAX = 500
_LONG_S = 1.0
"""A page whose document took longer is not used again: its renderer may have been made to give way."""
_SMALL_HTML = 64 * 1024
"""Below, streaming would cost more than it spares."""


class StaticPage:
    """One tenant's page."""

    def __init__(self, guarded: GuardedPage, frame: str, origin: str) -> None:
        self.guarded = guarded
        self.uses = 0
        self._frame = frame
        self._origin = origin
        self._loaded = asyncio.Event()
        guarded.session.on("Page.loadEventFired", self._on_load)

    def _on_load(self, _event: dict[str, Any]) -> None:
        self._loaded.set()

    async def print(self, html: str, parameters: dict[str, Any], bytes_max: int) -> bytes:
        """Show `html` and print it. Raises `ProblemError` for a document that left the page."""
        self.uses += 1
        return await self.guarded.guarded(self._print(html, parameters, bytes_max), "rendering the document")

    async def _print(self, html: str, parameters: dict[str, Any], bytes_max: int) -> bytes:
        try:
            await self._show(html)
            ready = {"expression": _READY, "awaitPromise": True, "returnByValue": True}
            await self.guarded.session.send("Runtime.evaluate", ready)
            data = await self.guarded.print(parameters, bytes_max, streamed=len(html) > _SMALL_HTML)
        except Error as error:
            # Chromium names a departure in several ways, and by the same words a page that was closed;
            # only a page that left still answers.
            tree = await self.guarded.session.send("Page.getFrameTree")
            if _NAVIGATED in error.message.lower() or tree["frameTree"]["frame"]["url"] != self._origin:
                raise _left() from error
            raise
        if self.guarded.page.url != self._origin:
            raise _left()
        return data

    async def _show(self, html: str) -> None:
        self._loaded.clear()
        await self.guarded.session.send("Page.setDocumentContent", {"frameId": self._frame, "html": html})
        await self._loaded.wait()

    async def wipe(self) -> bool:
        """Forget the document and its cookies; false when the page must not be used again."""
        if self.uses >= _USES_MAX or not self.guarded.alive:
            return False
        await self.guarded.guarded(self._wipe(), "wiping a page")
        return self.guarded.page.url == self._origin

    async def _wipe(self) -> None:
        await self._show("")
        await self.guarded.session.send("Network.clearBrowserCookies")


class StaticPages:
    """The pages of one browser by tenant; idle ones beyond a few are closed, oldest first."""

    def __init__(self, browser: Browser, stuck: Callable[[], None]) -> None:
        self._browser = browser
        self._stuck = stuck
        self._idle: OrderedDict[str, list[StaticPage]] = OrderedDict()
        self._count = 0

    async def print(self, tenant: str, html: str, parameters: dict[str, Any], bytes_max: int) -> bytes:
        """Print on a page of the tenant. After a failure or a cancellation the page is discarded."""
        page = self._take(tenant) or await self._open(tenant)
        clean, clock = False, asyncio.get_running_loop().time
        begun = clock()
        try:
            data = await page.print(html, parameters, bytes_max)
            clean = clock() - begun < _LONG_S and await page.wipe()
            return data
        finally:
            if clean:
                await self._keep(tenant, page)
            else:
                await asyncio.shield(page.guarded.close())

    def _take(self, tenant: str) -> StaticPage | None:
        pages = self._idle.get(tenant)
        if not pages:
            return None
        page = pages.pop()
        self._count -= 1
        if not pages:
            del self._idle[tenant]
        return page if page.guarded.alive else None

    async def _keep(self, tenant: str, page: StaticPage) -> None:
        self._idle.setdefault(tenant, []).append(page)
        self._idle.move_to_end(tenant)
        self._count += 1
        if self._count > _IDLE_PAGES_MAX:
            oldest = next(iter(self._idle))
            page = self._idle[oldest].pop(0)
            self._count -= 1
            if not self._idle[oldest]:
                del self._idle[oldest]
            await page.guarded.close()

    async def _open(self, tenant: str) -> StaticPage:
        origin = f"https://{tenant}.documents.visapi.invalid/"
        with browser_faults("opening a context"):
            context = await self._browser.new_context(
                java_script_enabled=False, service_workers="block", accept_downloads=False
            )
            guarded = await GuardedPage.open(context, self._stuck)
            page, session = guarded.page, guarded.session
            await page.route("**/*", _empty_document)
            await page.goto(origin)
            await page.unroute_all()
            await session.send("Page.enable")
            await session.send("Network.enable")
            await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
            await session.send("Emulation.setEmulatedMedia", {"media": "print"})
            tree = await session.send("Page.getFrameTree")
        if page.url != origin:
            raise BrowserGone(f"the tenant's page opened at {page.url}")
        return StaticPage(guarded, tree["frameTree"]["frame"]["id"], origin)


def _left() -> ProblemError:
    detail = "the document left its page (a refresh?); a static document must not navigate"
    return ProblemError("document_navigated", detail)


async def _empty_document(route: Route) -> None:
    await route.fulfill(
        status=200,
        headers={"content-type": "text/html; charset=utf-8", "content-security-policy": _CSP},
        body="<!doctype html><html></html>",
    )
