"""NATS in memory: what was published, and the queues of the streams."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from kit.fakes.faults import Planned
from kit.fakes.rows import FakeRows
from visapi_common.adapters.strays import RemovedStrays
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import TransientFault
from visapi_orchestrator.events.rules.lifecycle import LifecycleEvent

_TASKS = subjects.TASKS_ALL.removesuffix(">")
STREAMS = (
    subjects.STREAM_ENGINE,
    subjects.STREAM_TASKS,
    subjects.STREAM_EVENTS,
    subjects.STREAM_DLQ,
    subjects.STREAM_LIFECYCLE,
)


@dataclass(frozen=True)
class Published:
    subject: str
    body: bytes
    headers: Mapping[str, str]


class FakeNats:
    """See `kernel.ports.Publisher`, `tasks.registry.Streams`, `tasks.sweep.TaskStream` and
    `tasks.releases.QueuedTasks`.
    """

    def __init__(self, rows: FakeRows) -> None:
        self._rows = rows
        self.faults = Planned()
        self.connected = True
        self.published: list[Published] = []
        self._queues: dict[str, list[tuple[Published, datetime]]] = {}
        self._consumers: dict[str, FunctionSpec] = {}
        self._incarnations: dict[str, str] = {}
        self._made = 0
        self._seen_ids: set[str] = set()
        self.removes: list[RemovedStrays] = []
        """What the next look for strays removes."""

    def publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        if not self.connected:
            raise TransientFault("NATS is not connected; nothing was published")
        self.faults.meet("publish")
        one = Published(subject, body, dict(headers or {}))
        self.published.append(one)
        identity = one.headers.get("Nats-Msg-Id")
        if identity is not None and identity in self._seen_ids:
            # The stream drops a repeated id silently.
            return
        if identity is not None:
            self._seen_ids.add(identity)
        self._queues.setdefault(subject, []).append((one, self._rows.now))

    def on(self, prefix: str) -> list[Published]:
        """What was published on subjects that begin so."""
        return [one for one in self.published if one.subject.startswith(prefix)]

    def tasks(self) -> list[Published]:
        return self.on(_TASKS)

    def take(self, subject: str, number: int) -> None:
        """A worker takes tasks from the stream."""
        del self._queues[subject][:number]

    def lose(self, stream: str) -> None:
        """The stream is gone, with all that was in it."""
        del self._incarnations[stream]
        if stream == subjects.STREAM_TASKS:
            self._queues.clear()
            self._consumers.clear()

    async def heal(self) -> dict[str, str]:
        self.faults.meet("heal")
        for name in STREAMS:
            if name not in self._incarnations:
                self._made += 1
                self._incarnations[name] = f"{name}-{self._made}"
        return dict(self._incarnations)

    async def remove_strays(self, tasks: AbstractSet[str]) -> list[RemovedStrays]:
        self.faults.meet("remove_strays")
        removed, self.removes = self.removes, []
        return removed

    async def ensure_function(self, owner: str, function: FunctionSpec) -> str:
        self.faults.meet("ensure_function")
        name = subjects.task_consumer(owner, function.name)
        self._consumers[name] = function
        return name

    async def oldest_task(self, subject: str) -> datetime | None:
        self.faults.meet("oldest_task")
        waiting = self._queues.get(subject)
        return waiting[0][1] if waiting else None

    async def tasks_queued(self, function: str) -> int | None:
        self.faults.meet("tasks_queued")
        if subjects.task_consumer(subjects.BUILTIN, function) not in self._consumers:
            return None
        return len(self._queues.get(subjects.task(subjects.BUILTIN, function), []))

    async def results_waiting(self) -> int:
        return sum(
            len(queue)
            for subject, queue in self._queues.items()
            if subject.startswith("visapi.engine.") and not subject.endswith(".trigger")
        )


class FakeLifecycleStream:
    """See `events.lifecycle_relay.LifecycleStream`: an event that comes twice is stored once."""

    def __init__(self) -> None:
        self.faults = Planned()
        self.stored: list[LifecycleEvent] = []
        self.how: list[bool] = []
        """Of each publication, whether it went singly."""

    async def publish(self, events: Sequence[LifecycleEvent], *, singly: bool) -> None:
        self.how.append(singly)
        await self.faults.enter("publish")
        known = {one.event.id for one in self.stored}
        self.stored += [one for one in events if one.event.id not in known]
