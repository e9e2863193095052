"""Publishes results to the engine: JetStream stores a result before the task is acknowledged."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Outcome, TaskResult
from visapi_common.contracts.foreign import OUTPUT_DEPTH_MAX, deeper_than, flaw_of
from visapi_common.contracts.payloads import INLINE_LIMIT, Payload, inline
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.task_messages import DeadLetter, TaskMessage
from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault, UnknownFault
from visapi_common.core.failures import storable
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.functions import EncodedOutput
from visapi_common.worker.outcomes import Failure
from visapi_common.worker.retries import wait_s

_RETRY_CAP_S = 2.0
_ERROR_DATA_MAX = 64 * 1024
_ERROR_TEXT_MAX = 16 * 1024
_encode = msgspec.json.Encoder().encode


class TaskResults:
    """Reads inputs and stores results; only here does a task's data leave the process."""

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

    async def pack(self, message: TaskMessage, written: EncodedOutput) -> Payload:
        """The output as a payload. Raises `ProblemError` for an output that no reader would accept."""
        raw = written.raw
        if not written.checked and deeper_than(raw, OUTPUT_DEPTH_MAX):
            levels = f"the output is nested deeper than {OUTPUT_DEPTH_MAX} levels"
            raise ProblemError("output_too_deep", f"{levels}; flatten it, or return it as text", status=422)
        if len(raw) <= INLINE_LIMIT:
            return inline(raw)
        return await self._store().pack(message.tenant, raw)

    async def completed(
        self, message: TaskMessage, output: Payload, started_at: datetime, *, read: bool
    ) -> None:
        """Store a completed result."""
        await self._publish(message, started_at, outcome=Outcome.COMPLETED, output=output, read=read)

    async def failed(self, message: TaskMessage, failure: Failure, started_at: datetime) -> None:
        """Store a faulted or uncertain result."""
        error = _bounded(failure.error)
        await self._publish(message, started_at, outcome=failure.outcome, error=error)

    def dead_letter(self, reason: str, detail: str, message: TaskMessage) -> None:
        """Announce a dead letter on `DLQ`; the faulted result creates the row in PostgreSQL."""
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

    async def _publish(self, message: TaskMessage, started_at: datetime, **outcome: Any) -> None:
        """Publish the result of an attempt until JetStream has stored it.

        A repeated result changes nothing, so it is published again after an unknown outcome, until the
        process ends.
        """
        body = _encode(
            TaskResult(
                run=message.run,
                path=message.path,
                attempt=message.attempt,
                token=message.token,
                started_at=started_at,
                ended_at=datetime.now(UTC),
                worker=self._worker,
                **outcome,
            )
        )
        tries = 0
        while True:
            try:
                await self._bus.publish_acked(message.reply, body)
                return
            except (TransientFault, UnknownFault) as fault:
                tries += 1
                if tries == 1:
                    self._log.warning("result_not_stored_yet", detail=str(fault))
                delay_s = wait_s(fault, tries, self._draw(), cap_s=_RETRY_CAP_S)
            except PermanentFault as fault:
                # Do not end the process: the task is delivered again, and ends as poison.
                self._log.error("result_refused", run=str(message.run), detail=str(fault))
                return
            await asyncio.sleep(delay_s)

    def _store(self) -> PayloadStore:
        if self._payloads is None:
            detail = (
                f"the data exceeds {INLINE_LIMIT} bytes of JSON; set VISAPI_ARTIFACTS_URL for this worker"
            )
            raise PermanentFault(detail)
        return self._payloads


def _bounded(error: WorkflowError) -> WorkflowError:
    """Errors are sent inline, and any error of a handler must be sendable: unsendable data is left out."""
    texts = {
        name: None if text is None else storable(str(text), _ERROR_TEXT_MAX)
        for name, text in (("title", error.title), ("detail", error.detail), ("instance", error.instance))
    }
    return WorkflowError(
        type=storable(str(error.type), _ERROR_TEXT_MAX), status=error.status, data=_data(error.data), **texts
    )


def _data(data: Any) -> Any:
    if data is None:
        return None
    try:
        encoded = _encode(data)
    except (TypeError, ValueError, ArithmeticError, RecursionError) as wrong:
        return {"omitted": storable(f"the error's data is no JSON: {wrong}", 200)}
    if len(encoded) > _ERROR_DATA_MAX:
        return {"omitted": "the error's data exceeded 64 KiB"}
    flaw = flaw_of(encoded, depth_max=OUTPUT_DEPTH_MAX, bytes_max=_ERROR_DATA_MAX)
    return data if flaw is None else {"omitted": f"the error's data is {flaw}"}
