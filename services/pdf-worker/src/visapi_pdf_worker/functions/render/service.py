"""The use case `pdf.render`: document in, reference to a stored PDF out."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from visapi_common.contracts.runs import ArtifactRef
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.contracts.templates import UsedTemplate
from visapi_common.core.errors import Fault, ProblemError
from visapi_common.core.ids import time_ms_of
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.worker import TaskContext, TaskFault
from visapi_pdf_worker.functions.render.rules.document import (
    Document,
    Key,
    Rendered,
    check,
    print_parameters,
)
from visapi_pdf_worker.functions.render.rules.suspects import Suspects
from visapi_pdf_worker.functions.render.slots import PrintingSlots


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one document, and how many the browser prints at once."""

    pages_max: int
    bytes_max: int
    at_once: int = 2


class RenderTimeout(TaskFault):
    """The document was not rendered in its time."""


class EndedByForce(TaskFault):
    """The document used too much memory, or ended every browser that printed it."""


class PrintApart(Exception):
    """The document disturbs those of others; nothing of it was printed."""


class Printer(Protocol):
    """Chromium, behind the seam."""

    async def print(
        self, tenant: str, document: Document, html: str | None, parameters: dict[str, Any], *, apart: bool
    ) -> bytes:
        """Print `html`, or the document's `url` when it is `None`; `apart` from documents of other tenants.

        Raises `RenderTimeout`, `EndedByForce`, or `Postponed` while there is no browser.
        """
        ...


class Templates(Protocol):
    async def html_of(self, task: TaskMessage, document: Document) -> tuple[str, UsedTemplate | None]: ...


class Artifacts(Protocol):
    async def put(
        self, tenant: str, data: bytes, extension: str, media_type: str, name: str | None = None
    ) -> ArtifactRef: ...


class Finish(Protocol):
    def __call__(
        self, data: bytes, *, when: datetime, title: str | None, metadata: Mapping[Key, str]
    ) -> tuple[bytes, int]: ...


class Renderer:
    """Renders documents."""

    def __init__(
        self,
        *,
        printer: Printer,
        templates: Templates,
        artifacts: Artifacts,
        finish: Finish,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._printer = printer
        self._templates = templates
        self._artifacts = artifacts
        self._finish = finish
        self._limits = limits
        self._metrics = metrics
        self._slots = PrintingSlots(limits.at_once)
        self._slots_apart = PrintingSlots(1, most=1)
        self._suspects = Suspects()

    async def render(self, document: Document, task: TaskContext) -> Rendered:
        """Render a PDF and store it.

        The same document in the same run has the same bytes, so repeating it is harmless. Raises
        `ProblemError` for what the caller can mend, `TransientFault` when the browser died.
        """
        check(document)
        parameters = print_parameters(document.options, pages_max=self._limits.pages_max)
        mode = "scripted" if document.scripted else "static"
        with self._measured(mode):
            html, used = document.html, None
            if document.template is not None:
                html, used = await self._templates.html_of(task.message, document)
            # Templates, finishing and storing overlap with the printing of other documents.
            data = await self._printed(task.tenant, document, html, parameters)
            pdf, pages = await self._finished(data, document, task)
        ref = await self._store(task.tenant, pdf, document)
        self._metrics.pdf_pages.observe(pages)
        self._metrics.pdf_bytes.observe(len(pdf))
        return Rendered(msgspec.structs.replace(ref, pages=pages), pages, len(pdf), used)

    async def _printed(
        self, tenant: str, document: Document, html: str | None, parameters: dict[str, Any]
    ) -> bytes:
        """Print in the tenant's turn; all tenants under suspicion share one place of their own."""
        if not self._suspected(tenant):
            async with self._slots.place(tenant):
                # Another document of the tenant may have been ended by force while this one waited.
                if not self._suspected(tenant):
                    with suppress(PrintApart):
                        return await self._print(tenant, document, html, parameters, apart=False)
        async with self._slots_apart.place(tenant):
            return await self._print(tenant, document, html, parameters, apart=True)

    def _suspected(self, tenant: str) -> bool:
        return self._suspects.holds(tenant, asyncio.get_running_loop().time())

    async def _print(
        self, tenant: str, document: Document, html: str | None, parameters: dict[str, Any], *, apart: bool
    ) -> bytes:
        try:
            return await self._printer.print(tenant, document, html, parameters, apart=apart)
        except (RenderTimeout, EndedByForce, PrintApart):
            self._suspects.add(tenant, asyncio.get_running_loop().time())
            raise

    async def _finished(self, data: bytes, document: Document, task: TaskContext) -> tuple[bytes, int]:
        self._refuse_large(len(data))
        options = document.options
        created = datetime.fromtimestamp(time_ms_of(task.message.run) // 1000, UTC)
        pdf, pages = await asyncio.to_thread(
            self._finish, data, when=created, title=options.title, metadata=options.metadata
        )
        if pages > self._limits.pages_max:
            detail = f"the document has more than {self._limits.pages_max} pages; split it or use page_ranges"
            raise ProblemError("too_many_pages", detail, status=413)
        self._refuse_large(len(pdf))
        return pdf, pages

    def _refuse_large(self, size: int) -> None:
        if size > self._limits.bytes_max:
            detail = f"the PDF has {size} bytes, the limit is {self._limits.bytes_max}; use smaller images"
            raise ProblemError("pdf_too_large", detail, status=413)

    async def _store(self, tenant: str, pdf: bytes, document: Document) -> ArtifactRef:
        with self._metrics.artifact_seconds.labels(operation="put").time():
            return await self._artifacts.put(tenant, pdf, "pdf", "application/pdf", document.options.name)

    def _measured(self, mode: str) -> "_Measured":
        return _Measured(
            self._metrics.pdf_render_seconds.labels(mode=mode).observe,
            lambda outcome: self._metrics.pdf_renders.labels(mode=mode, outcome=outcome).inc(),
        )


class _Measured:
    """Times a block and counts how it ended."""

    def __init__(self, observe: Callable[[float], None], count: Callable[[str], None]) -> None:
        self._observe = observe
        self._count = count
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = asyncio.get_running_loop().time()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._observe(asyncio.get_running_loop().time() - self._since)
            self._count("completed")
        elif isinstance(error, RenderTimeout):
            self._count("timeout")
        elif isinstance(error, Fault | ProblemError):
            self._count("faulted")
