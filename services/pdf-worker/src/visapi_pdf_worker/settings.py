"""The PDF worker's settings; data, they open nothing."""

from typing import Annotated, Literal

import msgspec

from visapi_common.runtime.connections import NatsSettings
from visapi_common.runtime.settings import Seconds

Positive = Annotated[int, msgspec.Meta(ge=1)]


class PdfWorkerSettings(NatsSettings, frozen=True, kw_only=True):
    """Environment: `VISAPI_<NAME>`."""

    artifacts_url: str
    """The artifact store: `file:///directory` or `s3://bucket/prefix`."""
    egress_allow: tuple[str, ...] = ()
    """Private networks or hosts that documents may load from."""
    egress_origins: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Origins that are served by other origins, for tests against stand-ins."""
    chromium: str = ""
    """Chromium's executable; empty finds an installed one."""
    chromium_user: str = ""
    """The account of Chromium under root; empty uses `visapi`, else `nobody`."""
    chromium_sandbox: Literal["on", "off"] = "on"
    """`off` only where every document is trusted: without the sandbox a renderer's bug affects the worker."""
    pdf_concurrency: Positive = 2
    """Documents at once; one per core is fastest."""
    pdf_timeout_s: Seconds = 30.0
    """Time for one document."""
    pdf_pages_max: Positive = 200
    """Pages of one document."""
    pdf_bytes_max: Positive = 20 * 1024 * 1024
    """Bytes of one PDF."""
    pdf_memory_max_mb: Annotated[int, msgspec.Meta(ge=256)] = 1024
    """Memory of the process of one document, above which the document is ended."""
    browser_jobs_max: Positive = 2000
    """Documents after which the browser is replaced."""
    browser_memory_max_mb: Positive = 1200
    """Private memory of an idle browser above which it is replaced."""
