"""Opens `pdf.render`: its printer, its templates, its limits."""

from collections.abc import Awaitable, Callable

from visapi_common.worker import TaskContext
from visapi_pdf_worker.declaring import Dependencies
from visapi_pdf_worker.functions.render.pdf_file import finish
from visapi_pdf_worker.functions.render.printer import ChromiumPrinter
from visapi_pdf_worker.functions.render.rules.document import Document, Rendered
from visapi_pdf_worker.functions.render.service import Limits, Renderer
from visapi_pdf_worker.functions.render.templates import TemplateProcess


def open_handler(dependencies: Dependencies) -> Callable[[Document, TaskContext], Awaitable[Rendered]]:
    """What carries out a task."""
    settings = dependencies.settings
    templates = TemplateProcess(dependencies.user, dependencies.metrics, dependencies.templates)
    dependencies.closing.push_async_callback(templates.stop)
    return Renderer(
        printer=ChromiumPrinter(
            dependencies.browsers, bytes_max=settings.pdf_bytes_max, limit_s=settings.pdf_timeout_s
        ),
        templates=templates,
        artifacts=dependencies.artifacts,
        finish=finish,
        limits=Limits(
            pages_max=settings.pdf_pages_max,
            bytes_max=settings.pdf_bytes_max,
            at_once=settings.pdf_concurrency,
        ),
        metrics=dependencies.metrics,
    ).render
