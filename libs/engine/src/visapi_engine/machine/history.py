"""The public lifecycle of a run: the specification's words, one entry per change of phase."""

from typing import Any

import msgspec

from visapi_common.contracts.runs import TaskRef
from visapi_common.core.large_values import Structure

WORKFLOW_STARTED = "workflow.started"
WORKFLOW_SUSPENDED = "workflow.suspended"
WORKFLOW_RESUMED = "workflow.resumed"
WORKFLOW_CORRELATION_STARTED = "workflow.correlation-started"
WORKFLOW_CORRELATION_COMPLETED = "workflow.correlation-completed"
WORKFLOW_COMPLETED = "workflow.completed"
WORKFLOW_FAULTED = "workflow.faulted"
WORKFLOW_CANCELLED = "workflow.cancelled"

TASK_CREATED = "task.created"
TASK_STARTED = "task.started"
TASK_SUSPENDED = "task.suspended"
"""Only of a task: its outcome is uncertain, and the task is held until somebody decides."""
TASK_RESUMED = "task.resumed"
TASK_RETRIED = "task.retried"
TASK_COMPLETED = "task.completed"
TASK_FAULTED = "task.faulted"
TASK_CANCELLED = "task.cancelled"
TASK_SKIPPED = "task.skipped"

STRUCTURE: Structure = {"*": {"task": None, "data": {"error": None, "correlationKeys": None}}}
"""The parts of an encoded list of items that stay in its row: all but outputs. Lifecycle events need them."""

_encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item before it has its number; `time_ms` is the event's."""

    type: str
    time_ms: int
    task: TaskRef | None = None
    data: dict[str, Any] | None = None


class HistoryBytes:
    """Counts the bytes of the entries of a transition as the entries are added."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._seen = 0
        self._bytes = 0

    def measure(self) -> int:
        """Measure the entries added since the last call; gives the total."""
        for entry in self._entries[self._seen :]:
            self._bytes += 0 if entry.data is None else len(_encode(entry.data))
        self._seen = len(self._entries)
        return self._bytes
