"""The conversation between the orchestrator and workers: tasks, claims, registrations."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import (
    AttemptNumber,
    TaskPath,
    TaskToken,
    WorkerName,
    WorkflowRef,
)
from visapi_common.contracts.formats import written_version
from visapi_common.contracts.payloads import Payload

FUNCTIONS_MAX = 256
"""Functions that one worker may announce."""


class EffectClass(StrEnum):
    """What a retry does to the effect of a function."""

    NONE = "none"
    """A call without an effect: a retried block executes it again and sees the new result."""
    KEYED = "keyed"
    RECONCILABLE = "reconcilable"
    ONCE = "once"


class OnUncertain(StrEnum):
    HOLD = "hold"
    RETRY = "retry"


class TaskMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt at one task. `path` is its JSON pointer, with the iteration vector after `@`."""

    run: UUID
    path: str
    attempt: AttemptNumber
    tenant: str
    function: str
    workflow: WorkflowRef
    name: str
    pointer: str
    input: Payload
    effect_key: str
    """`HMAC(run, path)`: the same for every attempt, replica and restart. What a retried block does again
    after it completed has a key of its own."""
    token: str
    """Proves that a result belongs to this attempt; stored in the task's row."""
    reply: str
    """The subject for the `TaskResult`."""
    on_uncertain: OnUncertain = OnUncertain.HOLD
    deadline: datetime | None = None
    """When the earliest timeout around the task ends it."""
    own_deadline: datetime | None = None
    """When the timeout of the task itself ends it: until then the definition lets the task take."""
    trace: str | None = None
    handle_key: str | None = None
    """The id of the key of the run's secret handles; None: the oldest key."""
    test: bool = False
    """The task of a test run: nobody outside may hear of it."""
    v: int = msgspec.field(default_factory=written_version)


class FunctionSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """The announcement of one function."""

    name: str
    version: str = "1.0.0"
    effect: EffectClass = EffectClass.ONCE
    timeout_s: float = 30.0
    description: str = ""
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    concurrency: int = 16
    """Tasks that may be unacknowledged over all replicas of the worker: `max_ack_pending`."""


class Registration(msgspec.Struct, frozen=True):
    """Sent to `subjects.register(tenant)`; answered with the consumers to pull from. The subject says whose
    the functions are; another `tenant` in here is refused.
    """

    tenant: str
    worker: WorkerName
    functions: Annotated[list[FunctionSpec], msgspec.Meta(max_length=FUNCTIONS_MAX)]
    v: int = msgspec.field(default_factory=written_version)


class Registered(msgspec.Struct, frozen=True, omit_defaults=True):
    """`consumers` names the durable consumer of each function; `error` says what was refused."""

    consumers: dict[str, str]
    error: str | None = None
    v: int = msgspec.field(default_factory=written_version)


class WorkerSlots(msgspec.Struct, frozen=True):
    """Published on `CONTROL_SLOTS` by each built-in worker: how many tasks of each function it runs at
    once.
    """

    worker: WorkerName
    slots: Annotated[
        dict[str, Annotated[int, msgspec.Meta(ge=0, le=10_000)]], msgspec.Meta(max_length=FUNCTIONS_MAX)
    ]
    v: int = msgspec.field(default_factory=written_version)


class Claim(msgspec.Struct, frozen=True):
    """Sent to `subjects.claim(owner)`: a worker asks to start a *once* task. It is answered only after
    `started` is committed.
    """

    run: UUID
    path: TaskPath
    attempt: AttemptNumber
    token: TaskToken
    worker: WorkerName
    v: int = msgspec.field(default_factory=written_version)


class ClaimVerdict(StrEnum):
    GRANTED = "granted"
    UNCERTAIN = "uncertain"
    """The attempt was started before, and its outcome is unknown."""
    GONE = "gone"
    """The run no longer wants this attempt."""


class ClaimAnswer(msgspec.Struct, frozen=True):
    verdict: ClaimVerdict
    v: int = msgspec.field(default_factory=written_version)


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """The announcement on `DLQ`; the row in `dead_letters` is authoritative."""

    service: str
    reason: str
    detail: str
    tenant: str | None = None
    run: UUID | None = None
    path: str | None = None
    attempt: int | None = None
    function: str | None = None
    body: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    v: int = msgspec.field(default_factory=written_version)
