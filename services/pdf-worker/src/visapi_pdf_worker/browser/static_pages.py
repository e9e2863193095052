"""Documents without scripts, on pages that are kept open per tenant.

Opening a context costs 50 ms of CPU, so each tenant keeps its own, on an origin that exists nowhere
(`https://<tenant>.documents.visapi.invalid/`, RFC 2606). Scripts are off; a document replaces the
page's content by CDP and is wiped after printing. Tenants never share a context.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from playwright.async_api import Error

from visapi_common.core.errors import Fault, ProblemError
from visapi_pdf_worker.browser.browser_faults import BrowserGone
from visapi_pdf_worker.browser.guarded_page import GuardedPage
from visapi_pdf_worker.browser.loading import EMPTY, PIECE_CHARS, Served, go_to, origin_of, settled, write
from visapi_pdf_worker.browser.targets import Target, Targets

_CSP = "script-src 'none'; object-src 'none'; worker-src 'none'; form-action 'none'"
_NAVIGATED = "navigated or closed"
_IDLE_PAGES_MAX = 16
_USES_MAX = 500
_LONG_S = 1.0
"""A page whose document took longer is not used again: its renderer may have been made to give way."""
_SMALL_HTML = 64 * 1024
"""Below this size, streaming costs more than it saves."""


class DocumentLeft(ProblemError):
    """The page is no longer where its document was shown."""

    def __init__(self) -> None:
        detail = "the document left its page (a refresh?); a static document must not navigate"
        super().__init__("document_navigated", detail)


class StaticPage:
    """One tenant's page."""

    def __init__(self, guarded: GuardedPage, origin: str) -> None:
        self.guarded = guarded
        self.uses = 0
        self._origin = origin

    async def print(self, html: str, parameters: dict[str, Any], bytes_max: int) -> bytes:
        """Show `html` and print it. Raises `ProblemError` for a document that left the page."""
        self.uses += 1
        return await self.guarded.guarded(self._print(html, parameters, bytes_max), "rendering the document")

    async def _print(self, html: str, parameters: dict[str, Any], bytes_max: int) -> bytes:
        try:
            if await self._show(html) != self._origin:
                raise DocumentLeft
            data = await self.guarded.print(parameters, bytes_max, streamed=len(html) > _SMALL_HTML)
        except Error as error:
            # Chromium names a departure in several ways, and by the same words a page that was closed;
            # only a page that left still answers.
            if await self.guarded.target.url() != self._origin or _NAVIGATED in error.message.lower():
                raise DocumentLeft from error
            raise
        if await self.guarded.target.url() != self._origin:
            raise DocumentLeft
        return data

    async def _show(self, html: str) -> str:
        target = self.guarded.target
        if len(html) > PIECE_CHARS:
            await write(target, html)
        else:
            await target.send("Page.setDocumentContent", {"frameId": target.page, "html": html})
        return await settled(target)

    async def wipe(self) -> bool:
        """Forget the document and its cookies; false when the page must not be used again."""
        if self.uses >= _USES_MAX or not self.guarded.alive:
            return False
        try:
            return await self.guarded.guarded(self._wipe(), "wiping a page")
        except Fault:
            return False  # it leaves or died; the document is printed all the same

    async def stayed(self) -> bool:
        """Whether an idle page is still where it was: a refresh outlives the document that asked for it."""
        if not self.guarded.alive:
            return False
        try:
            return await self.guarded.guarded(self.guarded.target.url(), "taking a page") == self._origin
        except Fault:
            return False

    async def _wipe(self) -> bool:
        target = self.guarded.target
        await self._show("")
        await asyncio.gather(
            target.send("Network.clearBrowserCookies"),
            target.send("Network.clearBrowserCache"),
            # This also empties what the renderer keeps in memory.
            target.send("Network.setCacheDisabled", {"cacheDisabled": True}),
        )
        return await target.url() == self._origin


class StaticPages:
    """The pages of one browser by tenant; idle ones beyond a few are closed, oldest first."""

    def __init__(self, targets: Targets, stuck: Callable[[], None]) -> None:
        self._targets = targets
        self._stuck = stuck
        self._idle: OrderedDict[str, list[StaticPage]] = OrderedDict()
        self._count = 0

    async def print(self, tenant: str, html: str, parameters: dict[str, Any], bytes_max: int) -> bytes:
        """Print on a page of the tenant. After a failure or a cancellation the page is discarded."""
        page = await self._take(tenant) or await self._open(tenant)
        try:
            return await self._print(page, tenant, html, parameters, bytes_max)
        except DocumentLeft:
            # On a page that was used before, the refresh may be that of an earlier document.
            if page.uses == 1:
                raise
        return await self._print(await self._open(tenant), tenant, html, parameters, bytes_max)

    async def _print(
        self, page: StaticPage, tenant: str, html: str, parameters: dict[str, Any], bytes_max: int
    ) -> bytes:
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

    async def _take(self, tenant: str) -> StaticPage | None:
        """An idle page of the tenant; those that left or died are closed."""
        while pages := self._idle.get(tenant):
            page, stayed = pages.pop(), False
            self._count -= 1
            if not pages:
                del self._idle[tenant]
            try:
                stayed = await page.stayed()
            finally:
                if not stayed:
                    await asyncio.shield(page.guarded.close())
            if stayed:
                return page
        return None

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
        origin = origin_of(tenant)
        guarded = await GuardedPage.open(self._targets, self._stuck, tenant, javascript=False)
        try:
            at = await guarded.guarded(_opened(guarded.target, origin), "opening a page")
            if at != origin:
                raise BrowserGone(f"the tenant's page opened at {at}")
        except BaseException:
            # Close the page on cancellation too: there is no other reference to the page.
            await asyncio.shield(guarded.close())
            raise
        return StaticPage(guarded, origin)


async def _opened(target: Target, origin: str) -> str:
    """Load the empty document of a tenant; where the page is then."""
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": _CSP}
    await Served(target, origin, EMPTY, headers).start()
    await go_to(target, origin)
    at = await settled(target)
    await target.send("Fetch.disable")
    return at
