"""The worker's function, and the watch over its browser."""

import asyncio
from collections.abc import Awaitable, Callable

from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker import TaskContext, Worker
from visapi_pdf_worker.functions.render.rules.document import Document, Rendered
from visapi_pdf_worker.functions.render.service import Limits, Renderer
from visapi_pdf_worker.settings import PdfWorkerSettings

_WATCH_EVERY_S = 2.0
_TASK_EXTRA_S = 15.0
"""A task may take longer than its rendering: its template, storing, starting another browser."""
_TRIES = 2
"""A document is printed again, alone, when its browser died."""
_AHEAD = 2
"""Tasks per printing place: while one is printed, the template or the storing of another goes on."""
_WAITING = 4
"""Tasks that are taken from the stream, as a multiple of those: one tenant alone gets half of all, and a
tenant that comes later does not stand behind them in the stream."""
_REPLICAS_SHARE = 32
"""Tasks in work over all replicas, as a multiple of one replica's."""


def build_worker(renderer: Renderer, settings: PdfWorkerSettings) -> Worker:
    """A worker that serves `pdf.render`. It is keyed: the same document has the same bytes."""
    worker = Worker("pdf-worker")

    @worker.function(
        "pdf.render",
        effect="keyed",
        timeout_s=settings.pdf_timeout_s * _TRIES + _TASK_EXTRA_S,
        concurrency=settings.pdf_concurrency * _REPLICAS_SHARE,
        local=settings.pdf_concurrency * _AHEAD * _WAITING,
        description="Renders HTML, a URL or a template with data to a PDF.",
    )
    async def render(document: Document, task: TaskContext) -> Rendered:
        return await renderer.render(document, task)

    assert callable(render)
    return worker


def limits_of(settings: PdfWorkerSettings) -> Limits:
    """The bounds of one document."""
    return Limits(
        pages_max=settings.pdf_pages_max,
        bytes_max=settings.pdf_bytes_max,
        at_once=settings.pdf_concurrency,
    )


async def first(start: Callable[[], Awaitable[None]]) -> None:
    """Start the first browser. One that does not come in time comes later: documents wait for it.

    Raises `PermanentFault` when this machine cannot run any.
    """
    try:
        await start()
    except TransientFault as fault:
        get_logger("browser").warning("no_browser", detail=str(fault))


async def watch(check: Callable[[], Awaitable[bool]], report: Callable[[bool], None]) -> None:
    """Report the browser's fitness every few seconds, until cancelled."""
    while True:
        report(await check())
        await asyncio.sleep(_WATCH_EVERY_S)
