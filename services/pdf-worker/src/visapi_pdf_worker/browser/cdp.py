"""What is used of a Chrome DevTools Protocol session; Playwright types its parts loosely."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from playwright.async_api import CDPSession


class Cdp(Protocol):
    """A session with a page or the browser."""

    def send(self, method: str, params: dict[str, Any] | None = None) -> Awaitable[dict[str, Any]]: ...
    def on(self, event: str, f: Callable[[dict[str, Any]], None]) -> None: ...


def cdp(session: CDPSession) -> Cdp:
    """The same session under the types of the protocol."""
    return cast(Cdp, session)
