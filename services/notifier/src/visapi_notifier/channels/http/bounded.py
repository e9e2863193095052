"""Reads small responses in the event loop, and large ones in bounded processes."""

import asyncio

from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_common.contracts.problems import standard_error
from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import TransientFault
from visapi_common.core.outbound import RESPONSE_MAX_BYTES
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job
from visapi_notifier.channels.http.jobs import encode_question, is_large, read_outcome
from visapi_notifier.channels.http.received_response import ReceivedResponse
from visapi_notifier.channels.http.rules import read_response
from visapi_notifier.outbound.bounded import MIB, READING_S
from visapi_notifier.outbound.rules.reading import Reading, Refused, communication

ANSWER = Job(
    "answer",
    "visapi_notifier.channels.http.jobs:read_answer",
    Bounds(
        cpu_ms=60_000,
        wall_ms=110_000,
        memory_bytes=1536 * MIB,
        input_bytes=RESPONSE_MAX_BYTES + 4 * MIB,
        output_bytes=PAYLOAD_LIMIT + MIB,
        files=8,
    ),
)
"""The most expensive known response of 10 MiB takes a third of this time and half of this memory."""
WARM_UP = "visapi_notifier.channels.http.jobs:warm_up"


class BoundedAnswers:
    """Reads what servers answered."""

    def __init__(self, processes: BoundedProcesses, job: Job = ANSWER) -> None:
        self._processes = processes
        self._job = job

    async def read(self, tenant: str, received: ReceivedResponse) -> Reading:
        """The reading of a response. A response that exceeds the bounds is an error."""
        wanted, outbound, inbound = received.wanted, received.outbound, received.inbound
        now, mask, time = received.now, received.mask, received.time
        if not is_large(inbound, mask):
            return read_response(wanted, outbound, inbound, now=now, mask=mask)
        size = len(inbound.body)
        about = (
            f"{outbound.method} {inbound.url.split('?', 1)[0]} answered {inbound.status} with {size} bytes"
        )
        limit_s = min(READING_S, time.left_s)
        question = encode_question(wanted, outbound, inbound, now=now, mask=mask)
        try:
            async with asyncio.timeout(limit_s):
                return read_outcome(await self._processes.run(tenant, self._job, question))
        except BoundExceeded as over:
            detail = f"{about}, which are too expensive to read: {over.detail}; ask for less"
            return Refused(communication(502, "Unusable response", detail))
        except TransientFault as busy:
            return Refused(communication(503, "Response not read", f"{about}, which were not read: {busy}"))
        except TimeoutError:
            detail = (
                f"{about}, which were not read within {limit_s:.3g} s; ask for less, or for fewer at once"
            )
            if time.left_s <= READING_S:
                return Refused(standard_error("timeout", 408, title="Timeout", detail=detail))
            return Refused(communication(504, "Response not read", detail))
