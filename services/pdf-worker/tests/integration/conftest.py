"""A real Chromium behind a real egress proxy. Skipped only where no browser can be found."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from kit.template_shelf import TemplateShelf
from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.adapters.egress_proxy import EgressProxy
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.errors import PermanentFault
from visapi_common.telemetry.setup import open_metrics
from visapi_common.worker import TaskContext
from visapi_pdf_worker.browser import chromium
from visapi_pdf_worker.browser.browsers import Browsers, BrowserSettings
from visapi_pdf_worker.functions.render.pdf_file import finish
from visapi_pdf_worker.functions.render.printer import ChromiumPrinter
from visapi_pdf_worker.functions.render.rules.document import Document, Rendered
from visapi_pdf_worker.functions.render.service import Limits, Renderer
from visapi_pdf_worker.functions.render.templates import TemplateProcess

RUN = UUID("01930000-0000-7000-8000-000000000001")


class Rig:
    """The PDF worker without NATS."""

    def __init__(self, folder: Path, browsers: Browsers, proxy: EgressProxy) -> None:
        self.browsers = browsers
        self.proxy = proxy
        self.metrics = open_metrics()
        self.artifacts = ArtifactStore.open(f"file://{folder}/artifacts")
        self.shelf = TemplateShelf(folder / "artifacts")
        user = chromium.unprivileged("")
        self.templates = TemplateProcess(user, self.metrics, self.shelf.templates)
        self.limit()

    def limit(self, *, render_s: float = 20.0, pages_max: int = 200, bytes_max: int = 20_000_000) -> None:
        """Set the bounds of the documents that follow."""
        self.renderer = Renderer(
            printer=ChromiumPrinter(self.browsers, bytes_max=bytes_max, limit_s=render_s),
            templates=self.templates,
            artifacts=self.artifacts,
            finish=finish,
            limits=Limits(pages_max, bytes_max),
            metrics=self.metrics,
        )

    async def render(self, *, tenant: str = "default", run: UUID = RUN, **document: Any) -> Rendered:
        message = TaskMessage(
            run=run,
            path="/do/0/render",
            attempt=1,
            tenant=tenant,
            function="pdf.render",
            workflow=WorkflowRef("test", "pdf", "1.0.0"),
            name="render",
            pointer="/do/0/render",
            input=NULL,
            effect_key="",
            token="ab" * 32,
            reply="",
        )
        return await self.renderer.render(
            msgspec.convert(document, Document), TaskContext(message, datetime.now(UTC))
        )

    async def pdf(self, rendered: Rendered, tenant: str = "default") -> bytes:
        return await self.artifacts.get(tenant, rendered.artifact.id)

    async def text(self, *, tenant: str = "default", **document: Any) -> str:
        """Render and read the text of all pages."""
        import pypdfium2

        pdf = pypdfium2.PdfDocument(await self.pdf(await self.render(tenant=tenant, **document), tenant))
        return "\n".join(page.get_textpage().get_text_bounded() for page in pdf)


def sandbox_wanted() -> bool:
    """Machines that allow no user namespaces may say so, as a service would be told."""
    return os.environ.get("VISAPI_CHROMIUM_SANDBOX", "on") == "on"


def settings(folder: Path) -> BrowserSettings:
    try:
        chromium.find("", "")
    except PermanentFault:
        pytest.skip("NO CHROMIUM FOUND: none of the PDF worker's integration tests ran; run 'make setup'")
    return BrowserSettings(
        folder=folder,
        chromium="",
        user=chromium.unprivileged(""),
        sandbox=sandbox_wanted(),
        jobs_max=10_000,
        memory_max_mb=4_000,
    )


@asynccontextmanager
async def open_rig(folder: Path, allowed: Sequence[str] = ()) -> AsyncIterator[Rig]:
    """A PDF worker whose guard allows what is listed, with a fresh browser."""
    proxy = EgressProxy(policy_from(allowed))
    browsers = Browsers(settings(folder / "browser"), proxy, await proxy.start(), open_metrics())
    await browsers.start()
    rig = Rig(folder, browsers, proxy)
    yield rig
    await browsers.stop()
    await rig.templates.stop()
    await proxy.stop()


@pytest.fixture
async def rig(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A fresh browser for the test; an indirect parameter lists what the guard allows."""
    async with open_rig(tmp_path, getattr(request, "param", ())) as rig:
        yield rig


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig_of_file(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One browser for the tests of a file that share an event loop, as documents of many tenants share one."""
    async with open_rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig
