"""A page on which no call waits for ever for a crashed renderer."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from visapi_common.core.errors import ProblemError
from visapi_pdf_worker.browser.browser_faults import browser_faults, unless_gone
from visapi_pdf_worker.browser.targets import Target, Targets

T = TypeVar("T")

_CLOSE_S = 10.0
_PART_BYTES = 1024 * 1024


class GuardedPage:
    """One page in a context of its own."""

    def __init__(self, target: Target, stuck: Callable[[], None]) -> None:
        self.target = target
        self._stuck = stuck

    @classmethod
    async def open(
        cls, targets: Targets, stuck: Callable[[], None], tenant: str, *, javascript: bool
    ) -> "GuardedPage":
        """Open an empty page. `stuck` is called when it cannot be closed in time."""
        with browser_faults("opening a page"):
            return cls(await targets.open(tenant, javascript=javascript), stuck)

    @property
    def alive(self) -> bool:
        return not self.target.gone.done()

    async def guarded(self, work: Coroutine[Any, Any, T], what: str) -> T:
        """Await `work`; raises `BrowserGone` when the renderer crashes meanwhile."""
        return await unless_gone(work, self.target.gone, what)

    async def print(self, parameters: dict[str, Any], bytes_max: int, *, streamed: bool) -> bytes:
        """Print what the page shows. Call it under `guarded`. Raises `ProblemError` above `bytes_max`.

        Large PDFs are `streamed`, because the driver crashes on messages of some hundred megabytes.
        """
        if not streamed:
            answer = await self.target.send("Page.printToPDF", parameters)
            return base64.b64decode(answer["data"])
        answer = await self.target.send("Page.printToPDF", {**parameters, "transferMode": "ReturnAsStream"})
        handle, parts, size = answer["stream"], list[bytes](), 0
        while True:
            part = await self.target.send("IO.read", {"handle": handle, "size": _PART_BYTES})
            data = part["data"]
            parts.append(base64.b64decode(data) if part.get("base64Encoded") else data.encode())
            size += len(parts[-1])
            if size > bytes_max:
                detail = f"the PDF has more than {bytes_max} bytes; use smaller images"
                raise ProblemError("pdf_too_large", detail, status=413)
            if part["eof"]:
                await self.target.send("IO.close", {"handle": handle})
                return b"".join(parts)

    async def close(self) -> bool:
        """Close the page and its context; false when that did not end in time."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                with browser_faults("closing a page"):
                    await self.target.dispose()
        except TimeoutError:
            self._stuck()
            return False
        except Exception:  # noqa: BLE001 (the page is discarded after any failure)
            return False
        return True
