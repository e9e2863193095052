"""The only file that spells a NATS subject, stream or durable consumer name (DESIGN section 6)."""

from uuid import UUID

BUILTIN = "_"
"""The tenant token of the workers that VisAPI ships."""

BUILTIN_FUNCTIONS = (
    "pdf.render",
    "notify.email",
    "notify.webhook",
    "notify.slack",
    "http.request",
    "openapi.request",
)
"""Functions served by the built-in workers; `call: http` becomes `http.request`, `call: openapi` the last."""

PARTITIONS = 64

STREAM_ENGINE = "ENGINE"
STREAM_TASKS = "TASKS"
STREAM_EVENTS = "EVENTS"
STREAM_DLQ = "DLQ"
STREAM_LIFECYCLE = "LIFECYCLE"

CONSUMER_RESULTS = "engine-results"
CONSUMER_TRIGGERS = "engine-triggers"
CONSUMER_EVENTS = "events-in"
"""The one durable that reads what producers publish on `EVENTS`."""
CONSUMER_LIFECYCLE = "lifecycle"
"""A durable of `LIFECYCLE` for a subscriber outside that must miss nothing while it is away."""

ENGINE_ALL = "visapi.engine.>"
ENGINE_RESULTS = ("visapi.engine.*.result", "visapi.engine.*.inbox", "visapi.engine.*.heartbeat")
ENGINE_TRIGGERS = ("visapi.engine.*.trigger",)
TASKS_ALL = "visapi.tasks.>"
EVENTS_ALL = "visapi.events.>"
DLQ_ALL = "visapi.dlq.>"
LIFECYCLE_ALL = "visapi.lifecycle.>"

CONTROL_KEYS = "visapi.control.keys"
"""Core NATS: an API key changed; the body is the key's id."""
CONTROL_REGISTER = "visapi.control.register"
"""Request/reply to the orchestrator: a worker announces its functions."""
CONTROL_CLAIM = "visapi.control.claim"
"""Request/reply to the orchestrator: a worker of a *once* function asks to start (DESIGN 3.6)."""
CONTROL_SLOTS = "visapi.control.slots"
"""Core NATS: a built-in worker says how many tasks of each function the worker does at once."""
CONTROL_EVENTS = "visapi.control.events"
"""Core NATS: rows of `events_in` wait to be matched."""
CONTROL_CANCELLED = "visapi.control.cancelled"
"""Core NATS: tasks whose run no longer wants them; workers may stop early."""


def partition_of(run: UUID) -> int:
    """The low six bits of the run's id, so that consumers can be split by it one day."""
    return run.int & (PARTITIONS - 1)


def trigger(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.trigger"


def result(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.result"


def inbox(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.inbox"


def heartbeat(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.heartbeat"


def owner_of(tenant: str, function: str) -> str:
    """The subject token of whoever serves the function: `_` for ours, else the tenant."""
    return BUILTIN if function in BUILTIN_FUNCTIONS else tenant


def task(tenant: str, function: str) -> str:
    """Where a task is published; dots in the function's name are subject tokens."""
    return f"visapi.tasks.{owner_of(tenant, function)}.{function}"


def task_consumer(owner: str, function: str) -> str:
    """The durable consumer of one function; durable names allow no dots."""
    shown = "builtin" if owner == BUILTIN else owner
    return f"fn-{shown}-{function.replace('.', '-')}"


def live(tenant: str, run: UUID) -> str:
    return f"visapi.live.{tenant}.{run}"


def live_all() -> str:
    return "visapi.live.>"


def event(tenant: str, kind: str) -> str:
    """Where an event is published; `kind` is its type as subject tokens (`core.cloudevents.subject_of`)."""
    return f"visapi.events.{tenant}.{kind}"


def event_tenant(subject: str) -> str:
    """The tenant of a subject under `visapi.events.`; it may not exist."""
    return subject.split(".", 3)[2]


def lifecycle(tenant: str, kind: str) -> str:
    """Where a lifecycle event is published; `kind` is its type."""
    return f"visapi.lifecycle.{tenant}.{kind}"


def dead_letter(service: str, reason: str) -> str:
    return f"visapi.dlq.{service}.{reason}"
