"""Functions that workers announce, and the streams and consumers that carry them (DESIGN 3.3).

At each connection the topology is healed: streams that are fed by the ledger are made again when
they are gone, with the consumers of all known functions. Another incarnation of `TASKS` means that
every task in it was lost: open tasks are exposed to the sweep. Another incarnation of `EVENTS` means
that accepted events may be lost, which only people can mend: an alarm.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.task_messages import FunctionSpec, Registered, Registration
from visapi_common.core.errors import Fault
from visapi_common.core.wire_text import function_name_flaw
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_engine.definition.catalog import ENGINE_FUNCTIONS
from visapi_orchestrator.core.open_tasks import Known

_RETRY_S = 0.5
_CHECK_S = 30.0
_OUTSIDE = frozenset({subjects.STREAM_EVENTS})

_read = Reader(Registration)
_encode = msgspec.json.Encoder().encode


class Asked(Protocol):
    @property
    def data(self) -> bytes: ...
    def respond(self, body: bytes) -> None: ...


class FunctionRows(Protocol):
    """The tables `functions` and `streams`, and the open tasks."""

    async def register(self, owner: str, functions: Sequence[FunctionSpec]) -> None: ...
    async def functions(self) -> list[Known]: ...
    async def see_stream(self, name: str, incarnation: str) -> str | None: ...
    async def expose_tasks(self) -> None: ...


class Streams(Protocol):
    """`adapters.topology`."""

    async def heal(self, functions: Sequence[Known]) -> dict[str, str]: ...
    async def ensure_function(self, owner: str, function: FunctionSpec) -> str: ...


class Registry:
    """See the module's docstring."""

    def __init__(self, rows: FunctionRows, streams: Streams, metrics: Metrics) -> None:
        self._rows = rows
        self._streams = streams
        self._metrics = metrics
        self._due = asyncio.Event()
        self._announcements: asyncio.Queue[Asked] = asyncio.Queue(maxsize=1000)
        self._healed = asyncio.Event()
        self._log = get_logger("registry")

    def heal_soon(self) -> None:
        """The connection is new, or somebody missed a stream."""
        self._due.set()

    async def wait_healed(self) -> None:
        """Until the topology was whole once."""
        await self._healed.wait()

    async def keep_healed(self) -> None:
        """Heal when asked and every half minute, until cancelled."""
        while True:
            self._due.clear()
            try:
                await self._heal()
            except Fault as fault:
                self._log.warning("topology_not_healed", detail=str(fault))
                await asyncio.sleep(_RETRY_S)
                continue
            self._healed.set()
            try:
                async with asyncio.timeout(_CHECK_S):
                    await self._due.wait()
            except TimeoutError:
                continue

    async def _heal(self) -> None:
        incarnations = await self._streams.heal(await self._rows.functions())
        for name, incarnation in incarnations.items():
            before = await self._rows.see_stream(name, incarnation)
            if before is None or before == incarnation:
                continue
            self._metrics.streams_recreated.labels(name).inc()
            if name in _OUTSIDE:
                self._log.error("stream_lost", stream=name, before=before, now=incarnation)
            else:
                self._log.warning("stream_made_anew", stream=name, before=before, now=incarnation)
            if name == subjects.STREAM_TASKS:
                await self._rows.expose_tasks()

    def receive(self, asked: Asked) -> None:
        """Called in the read loop; workers announce again when nobody answers."""
        if not self._announcements.full():
            self._announcements.put_nowait(asked)

    async def serve(self) -> None:
        """Answer announcements until cancelled."""
        while True:
            asked = await self._announcements.get()
            try:
                asked.respond(_encode(await self._register(asked.data)))
            except Fault as fault:
                self._log.warning("registration_failed", detail=str(fault))

    async def _register(self, body: bytes) -> Registered:
        registration = _read(body)
        if isinstance(registration, Unreadable):
            self._metrics.messages_unreadable.labels("registration").inc()
            return Registered({}, error=f"the registration cannot be read: {registration.reason}")
        refused = refusal_of(registration)
        if refused is not None:
            return Registered({}, error=refused)
        owner = registration.tenant
        await self._rows.register(owner, registration.functions)
        consumers = {
            function.name: await self._streams.ensure_function(owner, function)
            for function in registration.functions
        }
        self._log.info("functions_registered", owner=owner, worker=registration.worker, names=list(consumers))
        return Registered(consumers)


def refusal_of(registration: Registration) -> str | None:
    """Why a registration is refused; None when it is not. Names are those of NATS subjects."""
    owner = registration.tenant
    for function in registration.functions:
        if function.name in ENGINE_FUNCTIONS:
            return f"{function.name} is carried out by the engine itself; no worker may announce it"
        builtin = function.name in subjects.BUILTIN_FUNCTIONS
        if builtin != (owner == subjects.BUILTIN):
            whose = "VisAPI's own" if builtin else "no function of VisAPI's own"
            return f"{function.name} is {whose}; {owner} may not announce it"
        flaw = function_name_flaw(function.name)
        if flaw is not None:
            return flaw
        if not 1 <= function.concurrency <= 10_000:
            return f"{function.name}: concurrency is {function.concurrency}, it must be 1 to 10000"
    return None
