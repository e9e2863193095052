"""Answers read in the event loop while they are small, in bounded processes of their own otherwise.

The job server of answers never runs a tenant's program: it is given secrets to look for.
"""

import asyncio
import os
from datetime import datetime

from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_common.contracts.problems import standard_error
from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import TransientFault
from visapi_common.core.outbound import RESPONSE_MAX_BYTES, Inbound, Outbound
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job, PoolLimits, TurnLimits
from visapi_common.telemetry.catalogue import Metrics
from visapi_notifier.app.deliver import Time
from visapi_notifier.core.answer_jobs import encode_question, is_large, read_told
from visapi_notifier.core.channels.http import HttpInput, read_response
from visapi_notifier.core.masking import Mask
from visapi_notifier.core.reading import Reading, Refused, communication

MIB = 1024 * 1024

ANSWER = Job(
    "answer",
    "visapi_notifier.core.answer_jobs:read_answer",
    Bounds(
        cpu_ms=60_000,
        wall_ms=110_000,
        memory_bytes=1536 * MIB,
        input_bytes=RESPONSE_MAX_BYTES + 4 * MIB,
        output_bytes=PAYLOAD_LIMIT + MIB,
        files=8,
    ),
)
"""The dearest answer of 10 MiB that was found takes a third of this time and half of this memory."""
WARM_UP = "visapi_notifier.core.answer_jobs:warm_up"
READING_S = 120.0
"""How long an answer may wait for its turn and be read, where the task leaves that time."""
LIMITS = PoolLimits(
    turns=TurnLimits(
        at_once=2,
        per_tenant=1,
        waiting=1024,
        waiting_per_tenant=256,
        bytes_waiting=1024 * MIB,
        bytes_waiting_per_tenant=192 * MIB,
    ),
    wait_s=READING_S,
)


class BoundedAnswers:
    """See `app.http_functions.Answers`."""

    def __init__(self, metrics: Metrics, limits: PoolLimits = LIMITS, job: Job = ANSWER) -> None:
        user = "nobody" if os.geteuid() == 0 else ""
        self._job = job
        self._processes = BoundedProcesses([job], metrics, warm_up=[WARM_UP], user=user, limits=limits)

    async def read(  # noqa: PLR0913 (a reading depends on all of the exchange; given by name)
        self,
        tenant: str,
        *,
        wanted: HttpInput,
        outbound: Outbound,
        inbound: Inbound,
        now: datetime,
        mask: Mask,
        time: Time,
    ) -> Reading:
        """What the answer means. One that cannot be read within its bounds is an error."""
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
                return read_told(await self._processes.run(tenant, self._job, question))
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

    async def close(self) -> None:
        await self._processes.close()
