"""Documents with scripts, and pages of the web: a context of their own each, thrown away after use."""

import asyncio
from typing import Any

from playwright.async_api import Browser, Route

from visapi_common.contracts.problems import standard_error
from visapi_common.worker import TaskFault
from visapi_pdf_worker.adapters.browser_faults import browser_faults
from visapi_pdf_worker.adapters.guarded_page import GuardedPage
from visapi_pdf_worker.core.document import Document, Wait

_SETTLED = """() => Promise.all([document.fonts.ready,
  ...Array.from(document.images, image => image.decode().catch(() => null))]).then(() => true)"""


async def print_scripted(
    browser: Browser, tenant: str, document: Document, html: str | None, parameters: dict[str, Any]
) -> bytes:
    """Load `html` on the tenant's synthetic origin, or else the document's `url`, wait as asked, print.

    Raises `TaskFault` when the page answers with an error status, `PermanentFault` when it cannot
    be loaded. The time limit is the caller's.
    """
    with browser_faults("opening a context"):
        context = await browser.new_context(
            java_script_enabled=document.options.javascript, service_workers="block", accept_downloads=False
        )
    page = await GuardedPage.open(context)
    try:
        address = document.url if html is None else f"https://{tenant}.documents.visapi.invalid/"
        return await page.guarded(
            _print(page, address or "", html, document.options.wait, parameters), "rendering the document"
        )
    finally:
        await asyncio.shield(page.close())


async def _print(
    guarded: GuardedPage, address: str, html: str | None, wait: Wait | None, parameters: dict[str, Any]
) -> bytes:
    page = guarded.page
    page.set_default_timeout(0)
    if html is not None:

        async def serve(route: Route) -> None:
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)

        await page.route(address, serve)
    await page.emulate_media(media="print")
    answer = await page.goto(address, wait_until="load")
    if answer is not None and answer.status >= 400:
        detail = f"{address} answered {answer.status} {answer.status_text}"
        error = standard_error("communication", answer.status, title="Page not loaded", detail=detail)
        raise TaskFault(error)
    await page.evaluate(_SETTLED)
    if wait is not None:
        if wait.selector is not None:
            await page.wait_for_selector(wait.selector)
        if wait.expression is not None:
            await page.wait_for_function(wait.expression)
        if wait.network_idle:
            await page.wait_for_load_state("networkidle")
        if wait.delay_ms:
            await asyncio.sleep(wait.delay_ms / 1000)
    return await guarded.print(parameters)
