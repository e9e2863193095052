"""Announces the functions of this worker to the orchestrator, periodically.

The orchestrator creates the consumer of each function. It may start later than this worker or lose its state,
so the announcement is repeated after every reconnect and every ten seconds.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.task_messages import FunctionSpec, Registered, Registration, WorkerSlots
from visapi_common.core.errors import Fault, ProblemError, TransientFault
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.retries import retrying

_TIMEOUT_S = 5.0
_AGAIN_S = 10.0
_RETRY_S = 0.5

_read = Reader(Registered, newest=NEWEST.messages)


class Announcer:
    """Announces a fixed list of functions."""

    def __init__(
        self,
        bus: Bus,
        *,
        tenant: str,
        worker: str,
        functions: Sequence[FunctionSpec],
        slots: Mapping[str, int],
    ) -> None:
        self._bus = bus
        self._subject = subjects.register(tenant)
        self._body = msgspec.json.encode(Registration(tenant, worker, list(functions)))
        self._slots = (
            msgspec.json.encode(WorkerSlots(worker, dict(slots))) if tenant == subjects.BUILTIN else b""
        )
        self._names = [function.name for function in functions]
        self._due = asyncio.Event()
        self._log = log = get_logger("worker")
        self._until_answered = retrying(
            Fault,
            wait=lambda _fault, _tries: _RETRY_S,
            tell=lambda fault: log.warning("registration_waits", detail=str(fault)),
            tell_after=1,
        ).wraps(self._announce)

    async def first(self) -> dict[str, str]:
        """Announce until answered. Returns the consumer of each function by name.

        Raises `ProblemError` when the orchestrator refuses.
        """
        return await self._until_answered()

    def again(self) -> None:
        """Schedule another announcement."""
        self._due.set()

    async def keep(self) -> None:
        """Announce every ten seconds, and when `again` asks for it, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await self._due.wait()
            self._due.clear()
            try:
                await self.first()
            except ProblemError as refused:
                self._log.error("registration_refused", detail=refused.detail)

    async def _announce(self) -> dict[str, str]:
        answer = await self._bus.request(self._subject, self._body, _TIMEOUT_S)
        registered = _read(answer.data)
        if isinstance(registered, Unreadable):
            raise TransientFault(f"not a registration's answer: {registered.reason}")
        missing = [name for name in self._names if name not in registered.consumers]
        if registered.error or missing:
            detail = registered.error or f"the answer names no consumer for {', '.join(missing)}"
            raise ProblemError("registration_refused", f"the orchestrator refused the registration: {detail}")
        if self._slots:
            self._bus.publish(subjects.CONTROL_SLOTS, self._slots)
        return registered.consumers
