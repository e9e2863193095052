"""Keeps Playwright's unretrieved errors of a dead driver out of the log.

`RunningBrowser` tells whoever waits for the browser, and the log (`driver_died`). The library has futures of
its own beside, whose errors nobody can read; asyncio reports each as never retrieved.
"""

import asyncio
from typing import Any

from playwright.async_api import Error

_UNREAD = "never retrieved"
_CLOSED = "connection closed"


def quieten(loop: asyncio.AbstractEventLoop) -> None:
    """Pass everything but this noise to the handler that the loop has."""
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if _is_noise(context):
            return
        if before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(handle)


def _is_noise(context: dict[str, Any]) -> bool:
    error = context.get("exception")
    of_the_library = isinstance(error, Error) or (type(error) is Exception and _CLOSED in str(error).lower())
    return of_the_library and _UNREAD in str(context.get("message", ""))
