"""Pages of the browser that Playwright does not watch.

Playwright subscribes to everything that a page of its own does: requests, messages of the console, frames,
errors. A document that makes these without end would keep the driver busy that documents of others need. So
pages are opened by the DevTools protocol, through Playwright's session with the browser: a page tells only
what was subscribed to, and of that only a bounded number. Each page has a port of its own at the egress
proxy, where its requests are counted.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from playwright.async_api import Error

from visapi_common.adapters.egress_proxy import EgressProxy, ProxyPort
from visapi_pdf_worker.browser.browser_faults import BrowserGone
from visapi_pdf_worker.browser.cdp import Cdp
from visapi_pdf_worker.browser.chromium import LOOPBACK_TOO

EVENTS_MAX = 2000
"""Events of one page. An ordinary page of some dozen frames has a few hundred, where it is watched at all."""
_WIDTH, _HEIGHT = 1280, 720


class TooNoisy(BrowserGone):
    """A page had more events than are read of one page; it is let go."""

    def __init__(self) -> None:
        super().__init__(f"the document had more than {EVENTS_MAX} frames and navigations")


class Target:
    """One page in a context of its own, and the session with it."""

    def __init__(
        self, browser: Cdp, page: str, context: str, session: str, dispose: Callable[[], Awaitable[None]]
    ) -> None:
        self.page = page
        self.context = context
        self.session = session
        self.dispose = dispose
        """Closes the page, its context and its port."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._browser = browser
        self._sent: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0
        self._events = 0
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {"Inspector.targetCrashed": self.end}

    def on(self, event: str, handler: Callable[[dict[str, Any]], None]) -> None:
        """Call `handler` with the parameters of each such event."""
        self._handlers[event] = handler

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result. Raises Playwright's `Error`, like a session of the library."""
        if self.gone.done():
            self.gone.result()
            raise Error(f"{method}: target closed")
        self._last += 1
        number, answer = self._last, asyncio.get_running_loop().create_future()
        self._sent[number] = answer
        message = json.dumps({"id": number, "method": method, "params": params or {}})
        try:
            await self._browser.send(
                "Target.sendMessageToTarget", {"sessionId": self.session, "message": message}
            )
            response = await answer
        finally:
            self._sent.pop(number, None)
        if "error" in response:
            raise Error(f"{method}: {response['error'].get('message', '')}")
        return response["result"]

    async def evaluate(self, expression: str, context: int | None = None) -> Any:
        """The value of an expression in the page, awaited, or in another context of it. Raises `Error` for
        what it throws.
        """
        parameters: dict[str, Any] = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        if context is not None:
            parameters["contextId"] = context
        response = await self.send("Runtime.evaluate", parameters)
        if "exceptionDetails" in response:
            thrown = response["exceptionDetails"]
            described = thrown.get("exception", {}).get("description") or thrown.get("text", "")
            raise Error(str(described)[:300])
        return response["result"].get("value")

    async def url(self) -> str:
        """Where the page is now."""
        response = await self._browser.send("Target.getTargetInfo", {"targetId": self.page})
        return response["targetInfo"]["url"]

    def receive(self, message: str) -> None:
        """An answer or an event of the page."""
        if self.gone.done():
            return
        try:
            response = json.loads(message)
        except (ValueError, RecursionError):
            self.end()
            return
        if "id" in response:
            answer = self._sent.get(response["id"])
            if answer is not None and not answer.done():
                answer.set_result(response)
            return
        self._events += 1
        handler = self._handlers.get(response["method"])
        if self._events > EVENTS_MAX:
            self.end(error=TooNoisy())
        elif handler is not None:
            handler(response["params"])

    def end(self, _event: object = None, *, error: Exception | None = None) -> None:
        """The page is no more: whoever waits for it is told."""
        if self.gone.done():
            return
        if error is not None:
            self.gone.set_exception(error)
            self.gone.exception()  # read: nobody may be waiting
            return
        self.gone.set_result(None)
        for answer in self._sent.values():
            if not answer.done():
                answer.set_result({"error": {"message": "target closed"}})


class Targets:
    """The pages of one browser, opened through a `session` with it."""

    def __init__(self, session: Cdp, proxy: EgressProxy) -> None:
        self.session = session
        self._proxy = proxy
        self._ports: set[ProxyPort] = set()
        self._open: dict[str, Target] = {}
        self._late: set[asyncio.Task[None]] = set()
        session.on("Target.receivedMessageFromTarget", self._on_message)
        session.on("Target.detachedFromTarget", self._on_detached)

    @property
    def open_pages(self) -> list[Target]:
        return list(self._open.values())

    async def open(self, tenant: str, *, javascript: bool) -> Target:
        """An empty page in a new context, to be disposed of by the caller."""
        port = await self._proxy.open_port(tenant)
        self._ports.add(port)
        try:
            context = await self._context(port.url)
        except BaseException:
            await asyncio.shield(self._close_port(port))
            raise
        try:
            target = await self._opened(context, port)
            first = [
                target.send("Inspector.enable"),
                target.send("Emulation.setEmulatedMedia", {"media": "print"}),
                self.session.send(
                    "Browser.setDownloadBehavior", {"behavior": "deny", "browserContextId": context}
                ),
            ]
            if not javascript:
                first.append(target.send("Emulation.setScriptExecutionDisabled", {"value": True}))
            await asyncio.gather(*first)
        except BaseException:
            await asyncio.shield(self._dispose_after_failure(context, port))
            raise
        return target

    async def close_ports(self) -> None:
        """The browser is no more, and its pages with it."""
        for port in list(self._ports):
            await self._close_port(port)

    async def _context(self, proxy_url: str) -> str:
        """A new context. One that comes after its caller was cancelled is disposed of."""
        wanted = {"disposeOnDetach": True, "proxyServer": proxy_url, "proxyBypassList": LOOPBACK_TOO}
        made = asyncio.ensure_future(self.session.send("Target.createBrowserContext", wanted))
        try:
            return (await asyncio.shield(made))["browserContextId"]
        except asyncio.CancelledError:
            late = asyncio.get_running_loop().create_task(self._dispose_late(made))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            raise

    async def _dispose_late(self, made: asyncio.Future[dict[str, Any]]) -> None:
        try:
            context = (await made)["browserContextId"]
        except Exception:  # noqa: BLE001 (the library raises bare ones when its driver is gone)
            return  # there is no context
        with suppress(Error):
            await self._dispose_of(context)

    async def _opened(self, context: str, port: ProxyPort) -> Target:
        size = {"width": _WIDTH, "height": _HEIGHT}
        blank = {"url": "about:blank", "browserContextId": context, **size}
        page: str = (await self.session.send("Target.createTarget", blank))["targetId"]
        attached = await self.session.send("Target.attachToTarget", {"targetId": page, "flatten": False})
        session: str = attached["sessionId"]
        dispose = partial(self._dispose, context, port)
        target = self._open[session] = Target(self.session, page, context, session, dispose)
        return target

    async def _dispose(self, context: str, port: ProxyPort) -> None:
        try:
            await self._dispose_of(context)
        finally:
            await self._close_port(port)

    async def _dispose_after_failure(self, context: str, port: ProxyPort) -> None:
        with suppress(Error):
            await self._dispose(context, port)

    async def _dispose_of(self, context: str) -> None:
        await self.session.send("Target.disposeBrowserContext", {"browserContextId": context})

    async def _close_port(self, port: ProxyPort) -> None:
        self._ports.discard(port)
        await self._proxy.close_port(port)

    def _on_message(self, event: dict[str, Any]) -> None:
        target = self._open.get(event["sessionId"])
        if target is not None:
            target.receive(event["message"])

    def _on_detached(self, event: dict[str, Any]) -> None:
        target = self._open.pop(event["sessionId"], None)
        if target is not None:
            target.end()
