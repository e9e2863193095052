"""Claims: asks the orchestrator before a *once* task is started, so that it never starts twice unnoticed."""

from collections.abc import Callable

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.task_messages import Claim, ClaimAnswer, ClaimVerdict, TaskMessage
from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.retries import retrying, wait_s

_TIMEOUT_S = 3.0
_TELL_AFTER = 5

_read = Reader(ClaimAnswer, newest=NEWEST.messages)


class Claims:
    """Claims tasks under a unique name for each start.

    A claim whose answer was lost is repeated under the same name, so the orchestrator knows that it is not a
    second start. Another start in this process has another name.
    """

    def __init__(self, bus: Bus, owner: str, worker: str, draw: Callable[[], float]) -> None:
        self._bus = bus
        self._subject = subjects.claim(owner)
        self._worker = worker
        self._count = 0
        log = get_logger("worker")
        self._ask = retrying(
            TransientFault,
            UnknownFault,
            wait=lambda fault, tries: wait_s(fault, tries, draw()),
            tell=lambda fault: log.warning("claim_unanswered", detail=str(fault)),
            tell_after=_TELL_AFTER,
        ).wraps(self._ask_once)

    async def ask(self, message: TaskMessage) -> ClaimVerdict:
        """Wait for the orchestrator's verdict without a time limit: under another name this start, whose
        answer may have been lost, would look like a second start.
        """
        self._count += 1
        name = f"{self._worker}.{self._count}"
        body = msgspec.json.encode(Claim(message.run, message.path, message.attempt, message.token, name))
        return await self._ask(body)

    async def _ask_once(self, body: bytes) -> ClaimVerdict:
        answer = await self._bus.request(self._subject, body, _TIMEOUT_S)
        read = _read(answer.data)
        if isinstance(read, Unreadable):
            raise TransientFault(f"the answer to a claim cannot be read: {read.reason}")
        return read.verdict
