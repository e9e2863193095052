"""Reads and uses OpenAPI documents in bounded processes, because a server chooses their size and shape."""

from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import ProblemError
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job
from visapi_notifier.channels.http.rules import HttpCall
from visapi_notifier.channels.openapi.jobs import PlannedCall, ReadDocument, encode_wanted, read_answer
from visapi_notifier.channels.openapi.rules import OpenApiCall
from visapi_notifier.outbound.bounded import MIB

WARM_UP = "visapi_notifier.channels.openapi.jobs:warm_up"
FILES = 8

READ = Job(
    "openapi_read",
    "visapi_notifier.channels.openapi.jobs:read_document",
    Bounds(cpu_ms=10_000, wall_ms=30_000, memory_bytes=768 * MIB, output_bytes=32 * MIB, files=FILES),
)
PLAN = Job(
    "openapi_plan",
    "visapi_notifier.channels.openapi.jobs:plan",
    Bounds(
        cpu_ms=1_000,
        wall_ms=10_000,
        input_bytes=52 * MIB,
        memory_bytes=1024 * MIB,
        output_bytes=32 * MIB,
        files=FILES,
    ),
)


class BoundedDocuments:
    """Reads documents, and plans calls with them."""

    def __init__(self, processes: BoundedProcesses) -> None:
        self._processes = processes

    async def read(self, tenant: str, body: bytes) -> bytes:
        """A JSON or YAML document in a form that `plan` takes. Raises `ProblemError`."""
        answer = await self._run(tenant, READ, body)
        assert isinstance(answer, ReadDocument), "a document is read, not planned"
        return answer.document

    async def plan(self, tenant: str, document: bytes, asked: OpenApiCall, url: str) -> HttpCall:
        """The HTTP call of an operation; `url` is where the document came from.

        Raises `ProblemError` and `EgressRefused`.
        """
        answer = await self._run(tenant, PLAN, encode_wanted(document, asked, url))
        assert isinstance(answer, PlannedCall), "a call is planned, not read"
        return answer.call

    async def _run(self, tenant: str, job: Job, payload: bytes) -> ReadDocument | PlannedCall:
        try:
            return read_answer(await self._processes.run(tenant, job, payload))
        except BoundExceeded as over:
            detail = f"/document: the OpenAPI document is too expensive: {over.detail}"
            raise ProblemError("invalid_input", detail) from None
