"""Asking the orchestrator before a *once* task is started (DESIGN 3.6)."""

import asyncio
from collections.abc import Callable

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import Claim, ClaimAnswer, ClaimVerdict, TaskMessage
from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.retries import RETRY_S, wait_s

_TIMEOUT_S = 3.0

_decode = msgspec.json.Decoder(ClaimAnswer).decode


class Claims:
    """Claims tasks under a name of their own for each start.

    A claim whose answer was lost is asked again under the same name, by which the orchestrator
    knows that it is not a second start; another start in this process bears another name.
    """

    def __init__(self, bus: Bus, worker: str, draw: Callable[[], float]) -> None:
        self._bus = bus
        self._worker = worker
        self._draw = draw
        self._count = 0
        self._log = get_logger("worker")

    async def ask(self, message: TaskMessage) -> ClaimVerdict | None:
        """The orchestrator's verdict; `None` when nobody answered within 10 s."""
        self._count += 1
        name = f"{self._worker}.{self._count}"
        body = msgspec.json.encode(Claim(message.run, message.path, message.attempt, message.token, name))
        loop = asyncio.get_running_loop()
        give_up = loop.time() + RETRY_S
        tries = 0
        while True:
            try:
                answer = await self._bus.request(subjects.CONTROL_CLAIM, body, _TIMEOUT_S)
                return _decode(answer.data).verdict
            except (TransientFault, UnknownFault) as fault:
                tries += 1
                delay_s = wait_s(fault, tries, self._draw())
                if loop.time() + delay_s >= give_up:
                    self._log.warning("claim_unanswered", detail=str(fault))
                    return None
            except msgspec.DecodeError as error:
                self._log.error("claim_unreadable", detail=str(error))
                return None
            await asyncio.sleep(delay_s)
