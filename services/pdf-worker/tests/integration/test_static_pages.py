"""Pages that are kept for the next document of a tenant: none is lost, none spoils the next document."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from kit.waiting import eventually
from visapi_pdf_worker.browser.browser_faults import BrowserGone
from visapi_pdf_worker.browser.loading import origin_of
from visapi_pdf_worker.browser.static_pages import DocumentLeft

ELSEWHERE = "https://example.invalid/"
REFRESH = f'<meta http-equiv="refresh" content="1;url={ELSEWHERE}"><p>one'


class Watched:
    """The session with the browser; `before` is awaited before each command, and told its words."""

    def __init__(self, session: Any, before: Callable[[str], Awaitable[None]]) -> None:
        self._session = session
        self._before = before

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        await self._before(f"{method} {params}")
        return await self._session.send(method, params)


def printing(running, tenant: str, html: str) -> Awaitable[bytes]:
    return running.guarded(running.static.print(tenant, html, {}, 1 << 20))


async def contexts(running) -> int:
    return len((await running._session.send("Target.getBrowserContexts"))["browserContextIds"])


async def settle_at(running, number: int) -> None:
    """A context is disposed of soon after its document was cancelled."""

    async def settled() -> bool:
        return await contexts(running) == number

    await eventually(settled, within_s=20)


async def crash(page) -> None:
    """End its renderer."""
    crashing = asyncio.ensure_future(page.send("Page.crash"))
    await asyncio.wait({page.gone, crashing}, return_when=asyncio.ALL_COMPLETED)
    crashing.exception()


async def cancelled_at(running, command: int) -> bool:
    """Begin to print and cancel it once that command was sent; false when it needed fewer."""
    left = command

    async def cancel(_words: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            asyncio.get_running_loop().call_soon(task.cancel)

    running.targets.session = Watched(running._session, cancel)
    task = asyncio.ensure_future(printing(running, f"t{command}", "<p>cut"))
    await asyncio.wait({task})
    return task.cancelled()


async def test_a_document_that_is_cancelled_at_any_command_leaves_no_context(rig):
    async with rig.browsers.use() as running:
        before, command = await contexts(running), 1
        while await cancelled_at(running, command):
            await settle_at(running, before)
            command += 1
        assert command > 10


async def test_a_renderer_that_dies_while_a_page_opens_is_noticed_at_once_and_leaves_no_context(rig):
    async with rig.browsers.use() as running:
        before = await contexts(running)

        async def crash_it(words: str) -> None:
            if "Page.navigate" in words:
                await crash(running.targets.open_pages[-1])

        running.targets.session = Watched(running._session, crash_it)
        with pytest.raises(BrowserGone):
            async with asyncio.timeout(20):
                await printing(running, "t", "<p>never")
        await settle_at(running, before)


async def test_an_idle_page_whose_renderer_died_is_closed_when_the_next_document_comes(rig):
    async with rig.browsers.use() as running:
        before = await contexts(running)
        await idle_page(running, "<p>first")
        await crash(running.targets.open_pages[-1])
        await printing(running, "t", "<p>second")
        await settle_at(running, before + len(running.static._idle.get("t", [])))


async def test_a_document_that_leaves_once_it_was_printed_cannot_spoil_the_next_one(rig):
    async with rig.browsers.use() as running:
        await idle_page(running, REFRESH)
        page = running.targets.open_pages[-1]

        async def left() -> bool:
            return await page.url() != origin_of("t")

        await eventually(left)
        assert (await printing(running, "t", "<p>innocent")).startswith(b"%PDF")
        assert page.gone.done()


async def test_a_document_on_whose_page_an_earlier_one_leaves_is_printed_again_on_a_new_page(rig):
    async with rig.browsers.use() as running:
        await idle_page(running, "<p>first")
        page, moved = running.targets.open_pages[-1], False

        async def leave(words: str) -> None:
            nonlocal moved
            if "Page.setDocumentContent" in words and not moved:
                moved = True
                await page.send("Page.navigate", {"url": ELSEWHERE})

        page._browser = Watched(running._session, leave)
        assert (await printing(running, "t", "<p>innocent")).startswith(b"%PDF")
        assert moved
        assert page.gone.done()


async def idle_page(running, html: str) -> None:
    """Print until the page is kept: that of a document which took long is not."""
    while not running.static._idle.get("t"):
        with suppress(DocumentLeft):
            await printing(running, "t", html)
