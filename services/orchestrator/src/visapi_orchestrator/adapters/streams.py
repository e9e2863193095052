"""JetStream, as the registry and the task sweep see it."""

from collections.abc import Sequence
from datetime import datetime

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_orchestrator.core.open_tasks import Known


class JetStreams:
    """See `app.registry.Streams` and `app.task_sweep.TaskStream`."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    async def heal(self, functions: Sequence[Known]) -> dict[str, str]:
        return await self._topology.heal([_consumer(owner, function) for owner, function in functions])

    async def ensure_function(self, owner: str, function: FunctionSpec) -> str:
        return await self._topology.ensure_function(_consumer(owner, function))

    async def oldest_task(self, subject: str) -> datetime | None:
        """When the oldest message left on a tasks subject was stored; None when nothing is left."""
        return await self._topology.oldest(subjects.STREAM_TASKS, subject)

    async def results_waiting(self) -> int:
        """Results that no orchestrator has taken yet."""
        return await self._topology.pending(subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS)


class JetStreamEvents:
    """Emitted events on `EVENTS`; see `app.event_dispatch.Acknowledged`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish_event(self, subject: str, body: bytes, *, message_id: str, kind: str) -> None:
        await self._bus.publish_acked(subject, body, msg_id=message_id, headers={"content-type": kind})


def _consumer(owner: str, function: FunctionSpec) -> FunctionConsumer:
    return FunctionConsumer(owner, function.name, function.concurrency)
