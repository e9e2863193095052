"""The public shapes of runs and their history."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.problems import WorkflowError


class RunStatus(StrEnum):
    """The specification's status phases."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    FAULTED = "faulted"
    COMPLETED = "completed"


ENDED = frozenset({RunStatus.CANCELLED, RunStatus.FAULTED, RunStatus.COMPLETED})


class TaskRef(msgspec.Struct, frozen=True):
    """A task in a definition: its name and its JSON pointer."""

    name: str
    pointer: str


class HistoryItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One lifecycle event of a run; `seq` is dense from 1, `type` the specification's word."""

    seq: int
    type: str
    time: datetime
    task: TaskRef | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class HistoryPage(msgspec.Struct, frozen=True):
    items: list[HistoryItem]
    next: str | None


AttributeValue = str | int | float | bool | list[str] | None
"""The types of a search attribute."""


class RunView(msgspec.Struct, frozen=True):
    """A run as the API shows it."""

    id: UUID
    workflow: WorkflowRef
    status: RunStatus
    input: msgspec.Raw
    output: msgspec.Raw
    error: WorkflowError | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]
    attributes: dict[str, AttributeValue] = {}
    """Search attributes (`document.metadata.visapi.attributes`)."""
    test: bool = False
    """A key of kind `test` started it: its effects outside are not carried out."""


class RunPage(msgspec.Struct, frozen=True):
    items: list[RunView]
    next: str | None


class RunChangeType(StrEnum):
    """What happened to a run as a whole: the specification's lifecycle words."""

    STARTED = "workflow.started"
    SUSPENDED = "workflow.suspended"
    RESUMED = "workflow.resumed"
    COMPLETED = "workflow.completed"
    FAULTED = "workflow.faulted"
    CANCELLED = "workflow.cancelled"


class RunChange(msgspec.Struct, frozen=True):
    """A change of a run: the item `seq` of its history, without its data."""

    run: UUID
    workflow: WorkflowRef
    seq: int
    type: str
    time: datetime
    test: bool = False


class RunChangePage(msgspec.Struct, frozen=True):
    """`next` continues, also after the last change. `reset`: changes before it were missed."""

    items: list[RunChange]
    next: str
    reset: bool


class ArtifactRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reference that a worker returns in place of bytes. `id` is `<sha256>.<extension>`."""

    id: str
    sha256: str
    size: int
    media_type: str
    name: str | None = None
    pages: int | None = None
