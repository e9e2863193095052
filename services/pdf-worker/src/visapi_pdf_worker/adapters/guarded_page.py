"""A page with a CDP session, on which no call can wait for ever for a renderer that crashed."""

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any, TypeVar

from playwright.async_api import BrowserContext, Page

from visapi_pdf_worker.adapters.browser_faults import browser_faults, unless_gone
from visapi_pdf_worker.adapters.cdp import Cdp, cdp

T = TypeVar("T")

_CLOSE_S = 3.0


class GuardedPage:
    """One page in a context of its own."""

    def __init__(self, context: BrowserContext, page: Page, session: Cdp) -> None:
        self.page = page
        self.session = session
        self._context = context
        self._crashed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        page.on("crash", self._on_crash)

    @classmethod
    async def open(cls, context: BrowserContext) -> "GuardedPage":
        """Open the context's page; the context is this page's from now on."""
        with browser_faults("opening a page"):
            page = await context.new_page()
            return cls(context, page, cdp(await context.new_cdp_session(page)))

    def _on_crash(self, _page: Page) -> None:
        if not self._crashed.done():
            self._crashed.set_result(None)

    @property
    def alive(self) -> bool:
        return not self._crashed.done() and not self.page.is_closed()

    async def guarded(self, work: Coroutine[Any, Any, T], what: str) -> T:
        """Await `work`; raises `BrowserGone` when the renderer crashes meanwhile."""
        return await unless_gone(work, self._crashed, what)

    async def print(self, parameters: dict[str, Any]) -> bytes:
        """Print what the page shows. Call it under `guarded`."""
        answer = await self.session.send("Page.printToPDF", parameters)
        return base64.b64decode(answer["data"])

    async def close(self) -> bool:
        """Close the page and its context; false when that did not end in time."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                with browser_faults("closing a page"):
                    await self._context.close()
        except TimeoutError:
            return False
        except Exception:  # noqa: BLE001 (whatever it was, the page is of no more use to anybody)
            return False
        return True
