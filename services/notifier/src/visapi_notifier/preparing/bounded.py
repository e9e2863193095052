"""Work on what tenants and servers sent, in the event loop while it is small, in bounded processes otherwise.

The job server never runs a tenant's program, unlike the one of templates: it is given opened secrets.
"""

import asyncio
import os

from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_common.contracts.problems import standard_error
from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.core.outbound import RESPONSE_MAX_BYTES
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job, PoolLimits, TurnLimits
from visapi_common.telemetry.catalogue import Metrics
from visapi_notifier.accounts.rules.inputs import Named, Wish
from visapi_notifier.channels.email.rules.message import Mail
from visapi_notifier.channels.http.answered import Answered
from visapi_notifier.channels.http.jobs import encode_question, is_large, read_told
from visapi_notifier.channels.http.rules import read_response
from visapi_notifier.outbound.rules.reading import Reading, Refused, communication
from visapi_notifier.preparing.jobs import MailOrder, encode, mail_of, read_made, read_prepared
from visapi_notifier.preparing.rules import Call, is_dear, prepare

MIB = 1024 * 1024

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
"""The dearest answer of 10 MiB that was found takes a third of this time and half of this memory."""
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
MAIL = Job(
    "mail",
    "visapi_notifier.preparing.jobs:make_mail",
    Bounds(
        cpu_ms=30_000,
        wall_ms=60_000,
        memory_bytes=1024 * MIB,
        input_bytes=48 * MIB,
        output_bytes=32 * MIB,
        files=8,
    ),
)
WARM_UPS = ("visapi_notifier.channels.http.jobs:warm_up", "visapi_notifier.preparing.jobs:warm_up")
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
MADE_IN_LOOP_BYTES = 8 * 1024
"""Of the texts of a mail without attachments: the dearest takes below 40 ms, most for 100 recipients."""


def open_private_processes(
    metrics: Metrics, jobs: tuple[Job, ...] = (ANSWER, PREPARE, MAIL)
) -> BoundedProcesses:
    """The pool; under root its processes become `nobody`."""
    user = "nobody" if os.geteuid() == 0 else ""
    return BoundedProcesses(jobs, metrics, warm_up=WARM_UPS, user=user, limits=LIMITS)


class BoundedInputs:
    """See `accounts.inputs.Preparing` and `channels.email.service.Mails`."""

    def __init__(self, processes: BoundedProcesses) -> None:
        self._processes = processes

    async def prepare(self, tenant: str, wish: Wish) -> Named | Call:
        """What is to be sent. Raises `ProblemError`, `EgressRefused` and `TransientFault`."""
        if not is_dear(wish):
            return prepare(wish)
        return read_prepared(await self._run(tenant, PREPARE, encode(wish)))

    async def make(self, tenant: str, order: MailOrder) -> Mail:
        """The message. Raises `ProblemError` and `TransientFault`."""
        wanted = order.wanted
        if not order.files and len(wanted.text or "") + len(wanted.html or "") <= MADE_IN_LOOP_BYTES:
            return mail_of(order)
        return read_made(await self._run(tenant, MAIL, encode(order)))

    async def _run(self, tenant: str, job: Job, payload: bytes) -> bytes:
        try:
            return await self._processes.run(tenant, job, payload)
        except BoundExceeded as over:
            detail = f"the input is too expensive: {over.detail}; send less in one task"
            raise ProblemError("input_too_expensive", detail, status=422) from None


class BoundedAnswers:
    """See `channels.http.service.Answers`."""

    def __init__(self, processes: BoundedProcesses, job: Job = ANSWER) -> None:
        self._processes = processes
        self._job = job

    async def read(self, tenant: str, answered: Answered) -> Reading:
        """What the answer means. One that cannot be read within its bounds is an error."""
        wanted, outbound, inbound = answered.wanted, answered.outbound, answered.inbound
        now, mask, time = answered.now, answered.mask, answered.time
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
