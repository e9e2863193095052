"""Handing results to the engine: stored by JetStream before anybody acknowledges the task."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Outcome, TaskResult
from visapi_common.contracts.payloads import INLINE_LIMIT, Payload, inline
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.task_messages import DeadLetter, TaskMessage
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.outcomes import Failure
from visapi_common.worker.retries import wait_s

_RETRY_CAP_S = 2.0
_ERROR_DATA_MAX = 64 * 1024

_encode = msgspec.json.Encoder().encode


class Answers:
    """Reads inputs and stores results; the only place where a task's data leaves the process."""

    def __init__(
        self, bus: Bus, payloads: PayloadStore | None, draw: Callable[[], float], *, service: str, worker: str
    ) -> None:
        self._bus = bus
        self._payloads = payloads
        self._draw = draw
        self._service = service
        self._worker = worker
        self._log = get_logger("worker")

    async def input_of(self, message: TaskMessage) -> bytes:
        """The task's input as JSON, fetched when it lies in the store."""
        raw = message.input.inline
        if raw is not msgspec.UNSET:
            return bytes(raw)
        return await self._store().unpack(message.tenant, message.input)

    async def pack(self, message: TaskMessage, raw: bytes) -> Payload:
        """The output as it travels."""
        if len(raw) <= INLINE_LIMIT:
            return inline(raw)
        return await self._store().pack(message.tenant, raw)

    async def completed(
        self, message: TaskMessage, output: Payload, started_at: datetime, *, read: bool
    ) -> None:
        """Store a completed result."""
        await self._publish(
            message.reply,
            TaskResult(
                run=message.run,
                path=message.path,
                attempt=message.attempt,
                token=message.token,
                outcome=Outcome.COMPLETED,
                output=output,
                started_at=started_at,
                ended_at=datetime.now(UTC),
                worker=self._worker,
                read=read,
            ),
        )

    async def failed(self, message: TaskMessage, failure: Failure, started_at: datetime) -> None:
        """Store a faulted or uncertain result."""
        await self._publish(
            message.reply,
            TaskResult(
                run=message.run,
                path=message.path,
                attempt=message.attempt,
                token=message.token,
                outcome=failure.outcome,
                error=_bounded(failure.error),
                started_at=started_at,
                ended_at=datetime.now(UTC),
                worker=self._worker,
            ),
        )

    def dead_letter(self, reason: str, detail: str, message: TaskMessage) -> None:
        """Tell the `DLQ` stream; the row in PostgreSQL follows from the faulted result."""
        letter = DeadLetter(
            service=self._service,
            reason=reason,
            detail=detail,
            tenant=message.tenant,
            run=message.run,
            path=message.path,
            attempt=message.attempt,
            function=message.function,
        )
        self._bus.publish_quietly(subjects.dead_letter(self._service, reason), _encode(letter))
        self._log.error("dead_letter", reason=reason, detail=detail)

    async def _publish(self, reply: str, result: TaskResult) -> None:
        """Publish until JetStream has it.

        A repeated result changes nothing, so an unknown outcome is simply published again; only
        the end of the process stops this.
        """
        body = _encode(result)
        tries = 0
        while True:
            try:
                await self._bus.publish_acked(reply, body)
                return
            except (TransientFault, UnknownFault) as fault:
                tries += 1
                if tries == 1:
                    self._log.warning("result_not_stored_yet", detail=str(fault))
                delay_s = wait_s(fault, tries, self._draw(), cap_s=_RETRY_CAP_S)
            await asyncio.sleep(delay_s)

    def _store(self) -> PayloadStore:
        if self._payloads is None:
            detail = (
                f"the data exceeds {INLINE_LIMIT} bytes of JSON; set VISAPI_ARTIFACTS_URL for this worker"
            )
            raise PermanentFault(detail)
        return self._payloads


def _bounded(error: WorkflowError) -> WorkflowError:
    """Errors travel inline; a large body inside one is left out."""
    if error.data is None or len(_encode(error.data)) <= _ERROR_DATA_MAX:
        return error
    return msgspec.structs.replace(error, data={"omitted": "the error's data exceeded 64 KiB"})
