"""Translates Playwright's errors into faults, and ends calls that wait for a dead renderer or browser, which
Playwright does not always end.
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from playwright.async_api import Error
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault

T = TypeVar("T")

_GONE = ("has been closed", "crash", "connection closed", "target closed", "session closed", "detached")


class BrowserGone(TransientFault):
    """The browser or the page died during the work."""


@contextmanager
def browser_faults(what: str) -> Generator[None]:
    """Translate what Playwright raises while `what` is done."""
    try:
        yield
    except PlaywrightTimeoutError as error:
        raise PermanentFault(f"{what}: {_first_line(error)}") from error
    except Error as error:
        text = error.message.lower()
        if "page range" in text or "pageranges" in text or "page ranges" in text:
            detail = "options.page_ranges names pages that the document does not have"
            raise ProblemError("invalid_options", detail) from error
        if any(word in text for word in _GONE):
            raise BrowserGone(f"{what}: {_first_line(error)}") from error
        raise PermanentFault(f"{what}: {_first_line(error)}") from error
    except Exception as error:
        # The library raises a bare one when its driver is gone.
        if "connection closed" in str(error).lower():
            raise BrowserGone(f"{what}: {error}") from error
        raise


async def unless_gone(work: Coroutine[Any, Any, T], gone: asyncio.Future[None], what: str) -> T:
    """Await `work`; raises `BrowserGone`, or what `gone` says, as soon as `gone` is done."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            gone.result()
            raise BrowserGone(f"{what}: it died meanwhile")
        with browser_faults(what):
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _first_line(error: Error) -> str:
    return error.message.strip().partition("\n")[0][:300]
