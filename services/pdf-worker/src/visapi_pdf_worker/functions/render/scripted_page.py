"""Documents with scripts, and web pages: each has its own context, which is discarded after use."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
from playwright.async_api import Error

from visapi_common.contracts.problems import standard_error
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.worker import TaskFault
from visapi_pdf_worker.browser.guarded_page import GuardedPage
from visapi_pdf_worker.browser.loading import EMPTY, Served, go_to, is_error_page, origin_of, settled, write
from visapi_pdf_worker.browser.targets import Target, Targets
from visapi_pdf_worker.functions.render.rules.document import Document, Wait

_STATUS = "+performance.getEntriesByType('navigation')[0]?.responseStatus || 0"
"""A number, whatever the page has made of `performance`."""
_LOOK_EVERY_S = 0.05
_WHOLE_CHARS = 512 * 1024
"""Of a document that is served in one message; such a message delays others by 40 ms."""
_LEFT = "the document went to a page that cannot be loaded, or loaded itself again, while it was waited for"
_VISIBLE = """(element => element !== null && element.checkVisibility({visibilityProperty: true})
  && element.getClientRects().length > 0)"""


class Printing(msgspec.Struct, frozen=True):
    """What is printed, and how. `html` is `None` for a document that has a URL."""

    tenant: str
    document: Document
    html: str | None
    parameters: dict[str, Any]
    bytes_max: int


async def print_scripted(targets: Targets, job: Printing, stuck: Callable[[], None]) -> bytes:
    """Load `html` on the tenant's synthetic origin, or else the document's `url`, wait as asked, print.

    Raises `TaskFault` when the page answers with an error status, `PermanentFault` when it cannot
    be loaded. The time limit is the caller's.
    """
    document, html = job.document, job.html
    page = await GuardedPage.open(targets, stuck, job.tenant, javascript=document.options.javascript)
    try:
        address = document.url if html is None else origin_of(job.tenant)
        return await page.guarded(_print(page, address or "", job), "rendering the document")
    finally:
        await asyncio.shield(page.close())


async def _print(guarded: GuardedPage, address: str, job: Printing) -> bytes:
    target, wait = guarded.target, job.document.options.wait
    idle = await _network_idle(target) if wait is not None and wait.network_idle else None
    if job.html is None:
        await go_to(target, address)
        await settled(target)
    else:
        await _load(target, address, job.html, whole=idle is not None)
    status = await target.evaluate(_STATUS)
    if isinstance(status, int | float) and status >= 400:
        _refuse(address, int(status))
    if wait is not None:
        # From here on the document's requests do not pass through the browser's main thread, which documents
        # of others need; nor is it served again.
        await target.send("Fetch.disable")
        await _wait(target, wait, idle)
        if await is_error_page(target):
            raise ProblemError("document_navigated", _LEFT)
    return await guarded.print(job.parameters, job.bytes_max, streamed=True)


async def _load(target: Target, address: str, html: str, *, whole: bool) -> None:
    """Load `html` at the address. A large document is written into an empty one there, unless it must come
    `whole`, because only then the browser tells when its requests have ended.
    """
    written = len(html) > _WHOLE_CHARS and not whole
    headers = {"content-type": "text/html; charset=utf-8"}
    await Served(target, address, html, headers, first=EMPTY if written else None).start()
    await go_to(target, address)
    await settled(target)
    if written:
        await write(target, html)
        await settled(target)


def _refuse(address: str, status: int) -> None:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    detail = f"{address} answered {status} {phrase}".rstrip()
    raise TaskFault(standard_error("communication", status, title="Page not loaded", detail=detail))


async def _wait(target: Target, wait: Wait, idle: asyncio.Event | None) -> None:
    if wait.selector is not None:
        await _until(target, f"{_VISIBLE}(document.querySelector({_quoted(wait.selector)}))")
    if wait.expression is not None:
        await _until(target, f"(value => typeof value === 'function' ? value() : value)({wait.expression}\n)")
    if idle is not None:
        await idle.wait()
    if wait.delay_ms:
        await asyncio.sleep(wait.delay_ms / 1000)


async def _until(target: Target, condition: str) -> None:
    met = f"(async () => !!(await {condition}))()"
    while not await target.evaluate(met):  # noqa: ASYNC110 (nobody could set an event)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _network_idle(target: Target) -> asyncio.Event:
    """Set once the page has made no request for 500 ms. This alone needs the events of a page."""
    idle = asyncio.Event()

    def note(event: dict[str, Any]) -> None:
        if event["name"] == "networkIdle" and event["frameId"] == target.page:
            idle.set()
        elif event["name"] == "init" and event["frameId"] == target.page:
            idle.clear()

    def dismiss(_event: dict[str, Any]) -> None:
        # The page waits for it, and only then are other commands heard.
        tasks.add(task := asyncio.ensure_future(_dismiss(target)))
        task.add_done_callback(tasks.discard)

    tasks: set[asyncio.Future[None]] = set()
    target.on("Page.lifecycleEvent", note)
    target.on("Page.javascriptDialogOpening", dismiss)
    await target.send("Page.enable")
    await target.send("Page.setLifecycleEventsEnabled", {"enabled": True})
    return idle


async def _dismiss(target: Target) -> None:
    with suppress(Error, TransientFault):
        await target.send("Page.handleJavaScriptDialog", {"accept": False})


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
