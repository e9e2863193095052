"""Documents with scripts, and pages of the web: a context of their own each, thrown away after use."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from playwright.async_api import Browser, Page, Route

from visapi_common.contracts.problems import standard_error
from visapi_common.worker import TaskFault
from visapi_pdf_worker.browser.browser_faults import browser_faults
from visapi_pdf_worker.browser.guarded_page import GuardedPage
from visapi_pdf_worker.functions.render.rules.document import Document, Wait

_SETTLED = """() => Promise.all([document.fonts.ready,
  ...Array.from(document.images, image => image.decode().catch(() => null))]).then(() => true)"""


class Printing(msgspec.Struct, frozen=True):
    """What is printed, and how. `html` is `None` for a document that has a URL."""

    tenant: str
    document: Document
    html: str | None
    parameters: dict[str, Any]
    bytes_max: int


async def print_scripted(browser: Browser, job: Printing, stuck: Callable[[], None]) -> bytes:
    """Load `html` on the tenant's synthetic origin, or else the document's `url`, wait as asked, print.

    Raises `TaskFault` when the page answers with an error status, `PermanentFault` when it cannot
    be loaded. The time limit is the caller's.
    """
    document, html = job.document, job.html
    with browser_faults("opening a context"):
        context = await browser.new_context(
            java_script_enabled=document.options.javascript, service_workers="block", accept_downloads=False
        )
    page = await GuardedPage.open(context, stuck)
    try:
        address = document.url if html is None else f"https://{job.tenant}.documents.visapi.invalid/"
        return await page.guarded(_print(page, address or "", job), "rendering the document")
    finally:
        await asyncio.shield(page.close())


async def _print(guarded: GuardedPage, address: str, job: Printing) -> bytes:
    page, html = guarded.page, job.html
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
    if job.document.options.wait is not None:
        await _wait(page, job.document.options.wait)
    return await guarded.print(job.parameters, job.bytes_max, streamed=True)


async def _wait(page: Page, wait: Wait) -> None:
    if wait.selector is not None:
        await page.wait_for_selector(wait.selector)
    if wait.expression is not None:
        await page.wait_for_function(wait.expression)
    if wait.network_idle:
        await page.wait_for_load_state("networkidle")
    if wait.delay_ms:
        await asyncio.sleep(wait.delay_ms / 1000)
