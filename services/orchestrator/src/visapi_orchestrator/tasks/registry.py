"""Functions that workers announce, and the streams and consumers that carry them.

The subject names the owner, because only the owner's NATS user may publish on it; the payload must name the
same owner. A function whose stream or consumer cannot be created is set aside, so that it does not keep the
stack from starting.

At each connection the topology is repaired: lost streams that hold copies of rows are created again, with the
consumers of all known functions. A new incarnation of `TASKS` means that every task in it was lost: the sweep
sends the open tasks again. A new incarnation of `EVENTS` means that accepted events may be lost. Only people
can repair that, so it raises an alarm. A stream that is full of messages that VisAPI did not send is cleared;
the sweep sends its open tasks again.
"""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

import msgspec

from visapi_common.adapters.strays import RemovedStrays
from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import NewerFormat, Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.task_messages import FunctionSpec, Registered, Registration
from visapi_common.core.errors import ContentFault, Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.tasks.announcements import Announcements
from visapi_orchestrator.tasks.claims import WorkerRequest
from visapi_orchestrator.tasks.rules.announced import refusal_of, refusal_of_names
from visapi_orchestrator.transitions.rules.open_tasks import Announced

_RETRY_S = 0.5
_CHECK_S = 30.0
_OUTSIDE = frozenset({subjects.STREAM_EVENTS})

_NAME_MAX: Final = 100

_read = Reader(Registration, newest=NEWEST.messages)
_read_spec = Reader(FunctionSpec)
_encode = msgspec.json.Encoder().encode


class FunctionRows(Protocol):
    """The tables `functions` and `streams`, and the open tasks."""

    async def register(self, owner: str, functions: Sequence[FunctionSpec]) -> None: ...
    async def functions(self) -> list[Announced]: ...
    async def names(self, owner: str) -> set[str]: ...
    async def is_tenant(self, name: str) -> bool:
        """Whether the tenant exists and no erasure of it was asked for."""
        ...

    async def see_stream(self, name: str, incarnation: str) -> str | None: ...
    async def expose_tasks(self) -> None: ...


class Streams(Protocol):
    """`adapters.topology`."""

    async def heal(self) -> dict[str, str]: ...
    async def remove_strays(self, tasks: AbstractSet[str]) -> Sequence[RemovedStrays]: ...
    async def ensure_function(self, owner: str, function: FunctionSpec) -> str: ...


class Registry:
    """See the module's docstring."""

    def __init__(
        self, rows: FunctionRows, streams: Streams, quarantine: Quarantine, metrics: Metrics
    ) -> None:
        self._rows = rows
        self._streams = streams
        self._quarantine = quarantine
        self._metrics = metrics
        self._healing = Isolation("topology", metrics)
        self._registering = Isolation("registry", metrics)
        self._due = asyncio.Event()
        self._announcements = Announcements()
        self._healed = asyncio.Event()
        self._log = get_logger("registry")

    def heal_soon(self) -> None:
        """Check the topology soon: the connection is new, or a stream was missing."""
        self._due.set()

    async def wait_healed(self) -> None:
        """Wait until the topology was complete once."""
        await self._healed.wait()

    async def keep_healed(self) -> None:
        """Repair the topology when asked and every half minute, until cancelled."""
        while True:
            self._due.clear()
            try:
                whole = await self._heal()
            except Fault as fault:
                self._healing.note(fault)
                whole = False
            if not whole:
                await asyncio.sleep(_RETRY_S)
                continue
            self._healed.set()
            try:
                async with asyncio.timeout(_CHECK_S):
                    await self._due.wait()
            except TimeoutError:
                continue

    async def _heal(self) -> bool:
        """Create what is missing. Returns whether everything exists except functions that were set aside."""
        incarnations = await self._streams.heal()
        functions = await self._rows.functions()
        result = await self._healing.each(functions, self._ensure, self._set_aside)
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
        await self._remove_strays({subjects.task(one.owner, one.name) for one in functions})
        return result.fault is None

    async def _remove_strays(self, tasks: AbstractSet[str]) -> None:
        """Clear streams that are full of messages VisAPI did not send. A failure, such as a missing right, is
        noted only. A process that ends before `expose_tasks` loses nothing: the sweep finds overdue tasks
        without a message by itself, only later.
        """
        try:
            for removed in await self._streams.remove_strays(tasks):
                self._metrics.streams_recreated.labels(removed.stream).inc()
                shown = [subject[:_NAME_MAX] for subject in removed.subjects]
                self._log.error(
                    "strays_removed", stream=removed.stream, messages=removed.messages, subjects=shown
                )
                if removed.stream == subjects.STREAM_TASKS:
                    await self._rows.expose_tasks()
        except Fault as fault:
            self._healing.note(fault)

    async def _ensure(self, functions: Sequence[Announced]) -> None:
        for function in functions:
            spec = _read_spec(function.spec)
            if isinstance(spec, Unreadable):
                raise ContentFault(f"the row of {function.name[:_NAME_MAX]!r} cannot be read: {spec.reason}")
            refused = refusal_of(function.owner, [spec])
            if refused is not None:
                raise ContentFault(refused)
            await self._streams.ensure_function(function.owner, spec)

    async def _set_aside(self, function: Announced, error: Exception) -> None:
        """Set the function aside until a worker announces it again, or its dead letter is replayed."""
        dead_letter = DeadLetterEntry(
            kind="function",
            tenant=function.owner,
            reason="bad-function",
            detail=failure_text(error),
            item=(function.owner, function.name, function.version),
            body=function.spec,
        )
        await self._quarantine.set_aside(dead_letter)

    def receive(self, asked: WorkerRequest) -> None:
        """Called in the read loop; workers repeat an unanswered announcement."""
        self._announcements.put(asked)

    async def serve(self) -> None:
        """Answer announcements until cancelled, once there are streams for the functions."""
        await self._healed.wait()
        while True:
            asked = await self._announcements.take()
            result = await self._registering.each([asked], self._answer, self._refuse)
            if result.left:
                # The stream may be gone; the worker repeats its announcement.
                self.heal_soon()

    async def _answer(self, announcements: Sequence[WorkerRequest]) -> None:
        for asked in announcements:
            answer = await self._register(subjects.speaker(asked.subject), asked.data)
            if answer is not None:
                asked.respond(_encode(answer))

    async def _refuse(self, asked: WorkerRequest, error: Exception) -> None:
        asked.respond(_encode(Registered({}, error=failure_text(error))))

    async def _register(self, owner: str, body: bytes) -> Registered | None:
        """None for an announcement of a later release: a newer replica answers when it is repeated."""
        registration = _read(body)
        if isinstance(registration, NewerFormat):
            self._log.warning("registration_of_newer_release", owner=owner, detail=registration.reason)
            return None
        if isinstance(registration, Unreadable):
            self._metrics.messages_unreadable.labels("registration").inc()
            return Registered({}, error=f"the registration cannot be read: {registration.reason}")
        if registration.tenant != owner:
            whose = f"the registration is in the name of {registration.tenant!r}"
            return Registered({}, error=f"{whose}, but was sent on the subject of {owner!r}")
        refused = refusal_of(owner, registration.functions)
        if refused is None and owner != subjects.BUILTIN:
            refused = await self._refusal_of_tenant(owner, registration.functions)
        if refused is not None:
            return Registered({}, error=refused)
        consumers = {
            function.name: await self._streams.ensure_function(owner, function)
            for function in registration.functions
        }
        await self._rows.register(owner, registration.functions)
        self._log.info("functions_registered", owner=owner, worker=registration.worker, names=list(consumers))
        return Registered(consumers)

    async def _refusal_of_tenant(self, owner: str, functions: Sequence[FunctionSpec]) -> str | None:
        if not await self._rows.is_tenant(owner):
            return f"there is no tenant {owner!r}"
        return refusal_of_names(owner, await self._rows.names(owner), functions)
