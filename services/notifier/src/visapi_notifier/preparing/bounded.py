"""Prepares small inputs in the event loop, and large ones in bounded processes."""

from typing import Any

from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job
from visapi_notifier.channels import declared
from visapi_notifier.credentials.rules.inputs import PrepareRequest
from visapi_notifier.outbound.bounded import MIB, run_on_input
from visapi_notifier.preparing.jobs import encode, read_prepared
from visapi_notifier.preparing.rules import is_expensive, prepare

PREPARE = Job(
    "prepare",
    "visapi_notifier.preparing.jobs:prepare_input",
    Bounds(
        cpu_ms=30_000,
        wall_ms=60_000,
        memory_bytes=2048 * MIB,
        input_bytes=PAYLOAD_LIMIT + 4 * MIB,
        output_bytes=2 * PAYLOAD_LIMIT,
        files=8,
    ),
)
WARM_UP = "visapi_notifier.preparing.jobs:warm_up"


class BoundedInputs:
    """See `credentials.inputs.Preparing`."""

    def __init__(self, processes: BoundedProcesses) -> None:
        self._processes = processes

    async def prepare(self, tenant: str, request: PrepareRequest) -> Any:
        """The call, or `SecretsNeeded`. Raises `ProblemError`, `EgressRefused` and `TransientFault`."""
        if not is_expensive(request):
            return prepare(request, declared()[request.function])
        result = await run_on_input(self._processes, tenant, PREPARE, encode(request))
        return read_prepared(request.function, result)
