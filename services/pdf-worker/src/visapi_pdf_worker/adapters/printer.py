"""Printing documents with whichever browser is current."""

from typing import Any

from visapi_pdf_worker.adapters.browsers import Browsers
from visapi_pdf_worker.adapters.scripted_page import print_scripted
from visapi_pdf_worker.core.document import Document


class ChromiumPrinter:
    """Static documents on a page of their tenant, scripted ones in a context of their own."""

    def __init__(self, browsers: Browsers) -> None:
        self._browsers = browsers

    async def print(
        self, tenant: str, document: Document, html: str | None, parameters: dict[str, Any]
    ) -> bytes:
        """See `app.render.Printer`."""
        async with self._browsers.use() as running:
            if html is not None and not document.scripted:
                work = running.static.print(tenant, html, parameters)
            else:
                work = print_scripted(running.browser, tenant, document, html, parameters)
            return await running.guarded(work)
