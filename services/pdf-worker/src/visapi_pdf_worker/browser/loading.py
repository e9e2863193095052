"""Loading documents: served at a synthetic origin, or from the web."""

import asyncio
import base64
import json
from typing import Any

from playwright.async_api import Error

from visapi_common.core.errors import TransientFault
from visapi_pdf_worker.browser.targets import Target

_SETTLED = """(async () => {
  if (document.readyState !== 'complete') return '';
  await document.fonts.ready;
  await Promise.all(Array.from(document.images, image => image.decode().catch(() => null)));
  return location.href;
})()"""
"""Where scripts are off no event calls back, so the page is asked until its document is complete."""
EMPTY = "<!doctype html><html></html>"
_BLANK = "about:blank"
_MOVED = (
    "navigated",
    "context was destroyed",
    "cannot find context",
    "cannot find default execution context",
)
PIECE_CHARS = 64 * 1024
"""Of a document, in one message to the browser: its driver passes on one message after the other, and 7 MB in
one keep the messages of other documents waiting for half a second.
"""
_PUT = "(globalThis.pieces ??= []).push({piece}), 0"
_WRITE = """(() => {
  const html = pieces.join('');
  delete globalThis.pieces;
  document.open();
  document.write(html);
  document.close();
})()"""
_WORLD = "visapi"
_ERROR_PAGE = "chrome-error:"
_AGAIN_S = (0.002, 0.005, 0.01, 0.02, 0.05)
_SERVED_MAX = 3
"""A document that loads itself again, or into its frames, is served so many times."""


def origin_of(tenant: str) -> str:
    """Where documents of the tenant seem to be; the name exists nowhere (RFC 2606)."""
    return f"https://{tenant}.documents.visapi.invalid/"


async def write(target: Target, html: str) -> None:
    """Replace the page's document by `html`, piece by piece, as its own scripts would write it. They see
    nothing of the pieces: these lie in a world of their own (CDP, `Page.createIsolatedWorld`).
    """
    world = await target.send("Page.createIsolatedWorld", {"frameId": target.page, "worldName": _WORLD})
    context = world["executionContextId"]
    for at in range(0, len(html), PIECE_CHARS):
        piece = json.dumps(html[at : at + PIECE_CHARS])
        await target.evaluate(_PUT.replace("{piece}", piece), context)
    try:
        await target.evaluate(_WRITE, context)
    except Error as error:
        # A document that goes elsewhere at once is met where it is then.
        if not _has_moved(error):
            raise


class Served:
    """Serves `html` for one address of a page, or `first` the first time; other requests take their way."""

    def __init__(
        self, target: Target, address: str, html: str, headers: dict[str, str], first: str | None = None
    ) -> None:
        self._target = target
        self._address = address
        self._html = html
        self._first = html if first is None else first
        self._headers = [{"name": name, "value": value} for name, value in headers.items()]
        self._left = _SERVED_MAX
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._target.on("Fetch.requestPaused", self._on_request)
        await self._target.send("Fetch.enable", {"patterns": [{"urlPattern": self._address}]})

    def _on_request(self, event: dict[str, Any]) -> None:
        self._left -= 1
        if self._left >= 0:
            html = self._first if self._left == _SERVED_MAX - 1 else self._html
            answer = self._send(
                "Fetch.fulfillRequest", {"requestId": event["requestId"], **self._answer(html)}
            )
        elif self._left == -1:
            answer = self._send("Fetch.disable", {})
        else:
            return
        task = asyncio.get_running_loop().create_task(answer)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def _answer(self, html: str) -> dict[str, Any]:
        body = base64.b64encode(html.encode()).decode()
        return {"responseCode": 200, "responseHeaders": self._headers, "body": body}

    async def _send(self, method: str, parameters: dict[str, Any]) -> None:
        try:
            await self._target.send(method, parameters)
        except (Error, TransientFault):
            return  # the request or the page is gone, and with it whoever waited


async def go_to(target: Target, address: str) -> None:
    """Begin to load `address`. Raises `Error` when nothing comes from there."""
    response = await target.send("Page.navigate", {"url": address})
    if response.get("errorText"):
        raise Error(f"{address}: {response['errorText']}")


async def settled(target: Target) -> str:
    """Wait until a document with its fonts and images is loaded, and stays; where it is. The time limit is
    the caller's.
    """
    waits = iter(_AGAIN_S)
    while True:
        try:
            at = await target.evaluate(_SETTLED)
        except Error as error:
            if not _has_moved(error):
                raise
        else:
            if at and at != _BLANK:
                return str(at)
        await asyncio.sleep(next(waits, _AGAIN_S[-1]))


async def is_error_page(target: Target) -> bool:
    """Whether the page shows the browser's own page about a place that it cannot load."""
    return str(await target.evaluate("location.href")).startswith(_ERROR_PAGE)


def _has_moved(error: Error) -> bool:
    return any(word in error.message.lower() for word in _MOVED)
