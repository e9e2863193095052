"""Work whose cost a caller chooses, in bounded processes, queued fairly by tenant."""

from collections.abc import Sequence
from typing import Any

import msgspec

from visapi_common.core.bounds import BoundExceeded, Busy
from visapi_common.core.errors import ProblemError
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.json_input import check_json, decode_checked, is_cheap, refuse
from visapi_gateway.kernel.masking import SMALL, masked, masked_text

FILES = 8
"""File descriptors of a job."""
JSON = Job(
    "json", "visapi_gateway.kernel.json_input:find_problem", Bounds(cpu_ms=2_000, wall_ms=5_000, files=FILES)
)
MASK = Job("mask", "visapi_gateway.kernel.masking:mask", Bounds(cpu_ms=2_000, wall_ms=5_000, files=FILES))
_decode = msgspec.json.Decoder().decode


class BoundedJobs:
    """Runs the jobs that the slices declare, reads large bodies, and masks large values."""

    def __init__(self, jobs: Sequence[Job], metrics: Metrics, warm_up: Sequence[str]) -> None:
        self._processes = BoundedProcesses((JSON, MASK, *jobs), metrics, warm_up=warm_up)

    async def close(self) -> None:
        await self._processes.close()

    async def read_json(self, tenant: str, raw: bytes) -> Any:
        """The value of a body, decoded in the event loop where that is cheap. Raises `ProblemError` 400 and
        429.
        """
        if is_cheap(raw):
            return check_json(raw)
        try:
            problem = await self.run(tenant, JSON, raw)
        except BoundExceeded as over:
            refuse(f"the body cannot be read as JSON: {over.detail}")
        if problem:
            refuse(problem.decode())
        return decode_checked(raw)

    async def masked(self, tenant: str, raw: bytes) -> Any:
        """Stored JSON without what is secret or personal, decoded in the event loop where it is small. What
        exceeds the limits of the job is shown as the two ends of its text. Raises `ProblemError` 429.
        """
        if len(raw) <= SMALL:
            return masked(raw)
        try:
            return _decode(await self.run(tenant, MASK, raw))
        except BoundExceeded:
            return masked_text(raw)

    async def run(self, tenant: str, job: Job, payload: bytes) -> bytes:
        """Raises `BoundExceeded`, `ProblemError` 429 when too many jobs of this tenant wait, and `Busy`."""
        try:
            return await self._processes.run(tenant, job, payload)
        except Busy as busy:
            if not busy.own:
                raise
            wait = str(max(1, round(busy.retry_after_s or 1.0)))
            detail = f"too many expensive requests of this tenant wait; send the request again after {wait} s"
            raise ProblemError("too_many_open", detail, status=429, headers={"Retry-After": wait}) from None
