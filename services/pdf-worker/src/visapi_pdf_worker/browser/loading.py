"""Loading documents: served at a synthetic origin, or from the web."""

import asyncio
import base64
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
_BLANK = "about:blank"
_MOVED = (
    "navigated",
    "context was destroyed",
    "cannot find context",
    "cannot find default execution context",
)
_ERROR_PAGE = "chrome-error:"
_AGAIN_S = (0.002, 0.005, 0.01, 0.02, 0.05)
_SERVED_MAX = 3
"""A document that loads itself again, or into its frames, is served so many times."""


def origin_of(tenant: str) -> str:
    """Where documents of the tenant seem to be; the name exists nowhere (RFC 2606)."""
    return f"https://{tenant}.documents.visapi.invalid/"


class Served:
    """Serves `html` for one address of a page; other requests take their way."""

    def __init__(self, target: Target, address: str, html: str, headers: dict[str, str]) -> None:
        self._target = target
        self._address = address
        self._answer = {
            "responseCode": 200,
            "responseHeaders": [{"name": name, "value": value} for name, value in headers.items()],
            "body": base64.b64encode(html.encode()).decode(),
        }
        self._left = _SERVED_MAX
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._target.on("Fetch.requestPaused", self._on_request)
        await self._target.send("Fetch.enable", {"patterns": [{"urlPattern": self._address}]})

    def _on_request(self, event: dict[str, Any]) -> None:
        self._left -= 1
        if self._left >= 0:
            answer = self._send("Fetch.fulfillRequest", {"requestId": event["requestId"], **self._answer})
        elif self._left == -1:
            answer = self._send("Fetch.disable", {})
        else:
            return
        task = asyncio.get_running_loop().create_task(answer)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

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
            if not any(word in error.message.lower() for word in _MOVED):
                raise
        else:
            if at and at != _BLANK:
                return str(at)
        await asyncio.sleep(next(waits, _AGAIN_S[-1]))


async def is_error_page(target: Target) -> bool:
    """Whether the page shows the browser's own page about a place that it cannot load."""
    return str(await target.evaluate("location.href")).startswith(_ERROR_PAGE)
