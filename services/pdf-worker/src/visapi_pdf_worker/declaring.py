"""The declaration and the dependencies of a function."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the command line reads declarations, and needs neither a browser nor a worker
    from visapi_common.adapters.artifacts import ArtifactStore
    from visapi_common.telemetry.catalogue import Metrics
    from visapi_common.templates.stored import StoredTemplates
    from visapi_pdf_worker.browser.browsers import Browsers
    from visapi_pdf_worker.settings import PdfWorkerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the PDF worker. Its limits follow from the settings."""

    name: str
    description: str
    effect: Literal["none", "keyed"]
    """A function of this worker reaches no receiver, so none is of class *once*."""
    timeout_s: Callable[["PdfWorkerSettings"], float]
    concurrency: Callable[["PdfWorkerSettings"], int]
    """Tasks in work over all replicas."""
    local: Callable[["PdfWorkerSettings"], int]
    """Tasks in work in one process."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Shared by all functions of the process."""

    settings: "PdfWorkerSettings"
    browsers: "Browsers"
    artifacts: "ArtifactStore"
    templates: "StoredTemplates"
    metrics: "Metrics"
    user: str
    """Whom processes that run templates become; empty for nobody else."""
    closing: AsyncExitStack
    """Takes what a function opens, and closes it when the worker ends."""
