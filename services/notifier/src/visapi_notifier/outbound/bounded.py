"""Runs jobs on the inputs of tasks; an input that exceeds a limit is a problem of its sender."""

from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import ProblemError
from visapi_common.runtime.bounded_processes import BoundedProcesses, Job

MIB = 1024 * 1024
READING_S = 120.0
"""How long a job may wait and run, where the task leaves that time."""


async def run_on_input(processes: BoundedProcesses, tenant: str, job: Job, payload: bytes) -> bytes:
    """The job's result. Raises `ProblemError` for an input that exceeds the job's bounds."""
    try:
        return await processes.run(tenant, job, payload)
    except BoundExceeded as over:
        detail = f"the input is too expensive: {over.detail}; send less in one task"
        raise ProblemError("input_too_expensive", detail, status=422) from None
