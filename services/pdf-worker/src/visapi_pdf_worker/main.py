"""Wires the PDF worker together."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack

from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore, TemplateStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import SystemClock
from visapi_common.adapters.egress_proxy import EgressProxy
from visapi_common.contracts import subjects
from visapi_common.core.egress_policy import policy_from
from visapi_common.runtime.service import Lifecycle, run_service
from visapi_common.runtime.settings import SettingsError, load
from visapi_common.templates.stored import StoredTemplates
from visapi_common.worker.worker import Worker
from visapi_pdf_worker.browser.browsers import Browsers, browser_settings
from visapi_pdf_worker.browser.chromium import unprivileged
from visapi_pdf_worker.browser.private_folder import private_folder
from visapi_pdf_worker.browser.watching import first, watch
from visapi_pdf_worker.declaring import Dependencies
from visapi_pdf_worker.functions import register
from visapi_pdf_worker.settings import PdfWorkerSettings


def main() -> int:
    """Run the service; the exit code."""
    try:
        settings = load(PdfWorkerSettings, os.environ)
    except SettingsError as error:
        sys.stderr.write(f"pdf-worker: {error}\n")
        return 2
    return run_service("pdf-worker", lambda lifecycle: _serve(lifecycle, settings), settings)


async def _serve(lifecycle: Lifecycle, settings: PdfWorkerSettings) -> None:
    lifecycle.ready("browser", False)
    lifecycle.ready("tasks", False)
    user = unprivileged(settings.chromium_user)
    proxy = EgressProxy(policy_from(settings.egress_allow, settings.egress_origins))
    with private_folder() as folder:
        port = await proxy.start()
        browsers = Browsers(browser_settings(settings, user, folder), proxy, port, lifecycle.metrics)
        bus = await Bus.connect(settings.nats_urls, "pdf-worker", access=settings.nats_access("pdf-worker"))
        closing = AsyncExitStack()
        worker = Worker("pdf-worker")
        artifacts = ArtifactStore.open(settings.artifacts_url, settings.s3)
        templates = StoredTemplates(
            bus, TemplateStore.open(settings.artifacts_url, settings.s3), SystemClock().monotonic
        )
        register(
            worker, Dependencies(settings, browsers, artifacts, templates, lifecycle.metrics, user, closing)
        )
        try:
            await first(browsers.start)
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(watch(browsers.check, lambda ok: lifecycle.ready("browser", ok)))
                await worker.serve(
                    bus,
                    tenant=subjects.BUILTIN,
                    stopping=lifecycle.stopping,
                    metrics=lifecycle.metrics,
                    spans=lifecycle.spans,
                    payloads=PayloadStore.open(settings.artifacts_url, settings.s3),
                    ready=lambda ok: lifecycle.ready("tasks", ok),
                )
                watcher.cancel()
        finally:
            await bus.close()
            await browsers.stop()
            await closing.aclose()
            await proxy.stop()
