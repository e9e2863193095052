"""JetStream, as the registry, the task sweep and the event publishers see it."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.strays import RemovedStrays, remove_strays
from visapi_common.adapters.topology import FunctionConsumer, StreamView, Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.cloudevents import STRUCTURED
from visapi_common.core.errors import ContentFault
from visapi_orchestrator.events.rules.lifecycle import LifecycleEvent

_AT_ONCE = 256
_AT_ONCE_BYTES = 512 * 1024
_SUBJECT_MAX = 1024
_ENGINE_ENDS = {kind.rpartition(".")[2] for kind in subjects.ENGINE_KINDS}
_ENGINE_TOKENS = 4


class JetStreams:
    """See `tasks.registry.Streams`, `tasks.sweep.TaskStream` and `tasks.releases.QueuedTasks`."""

    def __init__(self, topology: Topology, bus: Bus) -> None:
        self._topology = topology
        self._bus = bus

    async def heal(self) -> dict[str, str]:
        return await self._topology.heal()

    async def remove_strays(self, tasks: AbstractSet[str]) -> list[RemovedStrays]:
        """Clear the streams that the ledger feeds, where messages that VisAPI did not send fill them. `tasks`
        are the subjects of known functions.
        """
        removed = [
            await remove_strays(
                self._bus, subjects.STREAM_ENGINE, lambda one: not _of_the_engine(one.subject)
            ),
            await remove_strays(
                self._bus, subjects.STREAM_TASKS, lambda one: not one.has_id or one.subject not in tasks
            ),
        ]
        return [one for one in removed if one is not None]

    async def ensure_function(self, owner: str, function: FunctionSpec) -> str:
        return await self._topology.ensure_function(_consumer(owner, function))

    async def oldest_task(self, subject: str) -> datetime | None:
        """When the oldest message left on a tasks subject was stored; None when nothing is left."""
        return await self._topology.oldest(subjects.STREAM_TASKS, subject)

    async def tasks_queued(self, function: str) -> int | None:
        """Tasks of a function that serves all tenants, taken by no worker yet; None before any was there."""
        consumer = subjects.task_consumer(subjects.BUILTIN, function)
        return await self._topology.pending(subjects.STREAM_TASKS, consumer)

    async def view(self) -> list[StreamView]:
        """Every stream as it is on the server."""
        return await self._topology.view()

    async def results_waiting(self) -> int:
        """Results that no orchestrator has taken yet."""
        return await self._topology.pending(subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS) or 0


class JetStreamEvents:
    """Emitted events on `EVENTS`; see `events.dispatch.Acknowledged`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish_event(self, subject: str, body: bytes, *, message_id: str, kind: str) -> None:
        if len(subject) > _SUBJECT_MAX:
            raise ContentFault(f"a subject of {len(subject)} characters is longer than NATS takes")
        await self._bus.publish_acked(subject, body, msg_id=message_id, headers={"content-type": kind})


class JetStreamLifecycle:
    """Lifecycle events on `LIFECYCLE`; see `events.lifecycle_relay.LifecycleStream`.

    Each message of a chunk names the one before it, and JetStream stores it only directly after that one:
    when a message is lost, all later ones are refused. So the acknowledgement of the last message says that
    all are stored, and 256 events cost one answer.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, events: Sequence[LifecycleEvent], *, singly: bool) -> None:
        for chunk in _chunks(events):
            before = None
            for event in chunk[:-1]:
                if singly:
                    await self._publish_acked(event, None)
                else:
                    self._bus.publish(_subject(event), event.event.body, _headers(event, before))
                before = event.event.id
            await self._publish_acked(chunk[-1], None if singly else before)

    async def _publish_acked(self, event: LifecycleEvent, before: str | None) -> None:
        await self._bus.publish_acked(_subject(event), event.event.body, headers=_headers(event, before))


def _of_the_engine(subject: str) -> bool:
    """Whether a consumer of `ENGINE` takes the subject: those are `visapi.engine.<partition>.<kind>`."""
    tokens = subject.split(".")
    return len(tokens) == _ENGINE_TOKENS and tokens[-1] in _ENGINE_ENDS


def _subject(event: LifecycleEvent) -> str:
    return subjects.lifecycle(event.event.tenant, event.event.type)


def _headers(event: LifecycleEvent, before: str | None) -> dict[str, str]:
    headers = {"Nats-Msg-Id": event.event.id, "content-type": STRUCTURED}
    if before is not None:
        headers["Nats-Expected-Last-Msg-Id"] = before
    return headers


def _chunks(events: Sequence[LifecycleEvent]) -> Iterator[list[LifecycleEvent]]:
    chunk: list[LifecycleEvent] = []
    size = 0
    for event in events:
        if chunk and (len(chunk) == _AT_ONCE or size + len(event.event.body) > _AT_ONCE_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += len(event.event.body)
    if chunk:
        yield chunk


def _consumer(owner: str, function: FunctionSpec) -> FunctionConsumer:
    return FunctionConsumer(owner, function.name, function.concurrency)
