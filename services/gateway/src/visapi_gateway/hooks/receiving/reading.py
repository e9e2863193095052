"""Reads the bodies of verified requests: small ones in the event loop, large ones in bounded processes."""

from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import ProblemError
from visapi_common.runtime.bounded_processes import Bounds, Job
from visapi_gateway.hooks.rules.bodies import Content, find_form, kind_of, plain
from visapi_gateway.kernel.bounded_jobs import FILES, BoundedJobs
from visapi_gateway.kernel.json_input import decode_checked

FORM = Job(
    "hook-form",
    "visapi_gateway.hooks.rules.bodies:find_form",
    Bounds(cpu_ms=2_000, wall_ms=5_000, files=FILES),
)
CHEAP_FORM = 16 * 1024
"""Bytes of a form that is read in the event loop, in a few milliseconds."""
JSON = "application/json"


class Bodies:
    """See `hooks.receiving.service.ReadContent`."""

    def __init__(self, jobs: BoundedJobs) -> None:
        self._jobs = jobs

    async def __call__(self, tenant: str, content_type: str | None, body: bytes) -> Content:
        kind = kind_of(content_type)
        if kind == "json":
            return Content(JSON, data=await self._jobs.read_json(tenant, body))
        if kind == "form":
            return Content(JSON, data=decode_checked(await self._form(tenant, body)))
        return plain(content_type, body)

    async def _form(self, tenant: str, body: bytes) -> bytes:
        """The fields as JSON. Raises `ProblemError` 400 and 429."""
        try:
            found = find_form(body) if len(body) <= CHEAP_FORM else await self._jobs.run(tenant, FORM, body)
        except BoundExceeded as over:
            raise _unreadable(f"the form cannot be read: {over.detail}") from None
        if found.startswith(b"-"):
            raise _unreadable(found[1:].decode("utf-8", "replace"))
        return found[1:]


def _unreadable(detail: str) -> ProblemError:
    return ProblemError("invalid_body", detail, status=400)
