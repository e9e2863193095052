"""All NATS subjects, streams and durable consumer names; no other file spells them."""

import hashlib
from uuid import UUID

BUILTIN = "_"
"""The tenant token of the workers that VisAPI ships."""

BUILTIN_FAMILIES = ("http", "notify", "openapi", "pdf")
"""The first words of the functions that the built-in workers serve, such as `notify.email`."""
RESERVED_FAMILIES = (*BUILTIN_FAMILIES, "flow", "human")
"""Reserved first words of function names: those of the built-in workers and of the engine."""

PARTITIONS = 64

STREAM_ENGINE = "ENGINE"
STREAM_TASKS = "TASKS"
STREAM_EVENTS = "EVENTS"
STREAM_DLQ = "DLQ"
STREAM_LIFECYCLE = "LIFECYCLE"

CONSUMER_RESULTS = "engine-results"
CONSUMER_TRIGGERS = "engine-triggers"
CONSUMER_EVENTS = "events-in"
"""The durable consumer of the events that producers publish on `EVENTS`."""
CONSUMER_LIFECYCLE = "lifecycle"
"""A durable consumer of `LIFECYCLE` for an outside subscriber that must not miss events."""

ENGINE_RESULTS = ("visapi.engine.*.result", "visapi.engine.*.inbox", "visapi.engine.*.heartbeat")
ENGINE_TRIGGERS = ("visapi.engine.*.trigger",)
ENGINE_KINDS = (*ENGINE_RESULTS, *ENGINE_TRIGGERS)
"""What `ENGINE` stores: nothing that no consumer of it would take."""
TASKS_ALL = "visapi.tasks.>"
EVENTS_ALL = "visapi.events.>"
DLQ_ALL = "visapi.dlq.>"
LIFECYCLE_ALL = "visapi.lifecycle.>"

CONTROL_KEYS = "visapi.control.keys"
"""Core NATS: an API key changed; the body is the key's id."""
CONTROL_REGISTER_ALL = "visapi.control.register.*"
"""Request/reply to the orchestrator: workers announce their functions, each owner on `register(owner)`."""
CONTROL_CLAIM_ALL = "visapi.control.claim.*"
"""Request/reply to the orchestrator: workers of *once* functions ask to start, each on `claim(owner)`."""
CONTROL_TEMPLATES = "visapi.control.templates"
"""Request/reply to the orchestrator: a built-in worker asks for a template of the tenant of its task."""
CONTROL_ACCOUNTS = "visapi.control.accounts"
"""Request/reply to the notifier: the gateway has it try the credentials of an account at the provider."""
CONTROL_SLOTS = "visapi.control.slots"
"""Core NATS: a built-in worker announces how many tasks of each function it runs at once."""
CONTROL_EVENTS = "visapi.control.events"
"""Core NATS: rows of `events_in` wait to be matched."""
CONTROL_REPLAYS = "visapi.control.replays"
"""Core NATS: dead letters wait to be put back."""
CONTROL_CANCELLED = "visapi.control.cancelled"
"""Core NATS: tasks whose run no longer wants them; workers may stop early."""


def partition_of(run: UUID) -> int:
    """The low six bits of the run's id, by which consumers can be partitioned later."""
    return run.int & (PARTITIONS - 1)


def trigger(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.trigger"


def result(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.result"


def inbox(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.inbox"


def heartbeat(run: UUID) -> str:
    return f"visapi.engine.{partition_of(run)}.heartbeat"


def family_of(function: str) -> str:
    """The first word of a function's name."""
    return function.partition(".")[0]


def owner_of(tenant: str, function: str) -> str:
    """The subject token of the function's owner: `_` for built-in functions, else the tenant."""
    return BUILTIN if family_of(function) in BUILTIN_FAMILIES else tenant


def task(tenant: str, function: str) -> str:
    """The subject of a task; dots in the function's name separate subject tokens."""
    return f"visapi.tasks.{owner_of(tenant, function)}.{function}"


def register(owner: str) -> str:
    """The subject on which a worker announces functions of `owner` (its tenant or `_`). The right to publish
    here proves the owner.
    """
    return f"visapi.control.register.{owner}"


def claim(owner: str) -> str:
    """The subject on which a worker asks to start a *once* task; `owner` as in `register`."""
    return f"visapi.control.claim.{owner}"


def speaker(subject: str) -> str:
    """The owner named by a subject of `register` or `claim`, whatever the message says."""
    return subject.rpartition(".")[2]


def task_consumer(owner: str, function: str) -> str:
    """The durable consumer of one function; durable names allow no dots.

    Where a dash would be ambiguous (tenant `a-b` and function `c`, or `a` and `b.c`), a digest follows after
    `=`, which no name contains, so two functions never share a consumer.
    """
    shown = "builtin" if owner == BUILTIN else owner
    name = f"fn-{shown}-{function.replace('.', '-')}"
    if owner == "builtin" or "-" in owner + function:
        name += f"={hashlib.sha256(f'{owner} {function}'.encode()).hexdigest()[:12]}"
    return name


def live(tenant: str, run: UUID) -> str:
    return f"visapi.live.{tenant}.{run}"


def live_all() -> str:
    return "visapi.live.>"


def event(tenant: str, kind: str) -> str:
    """The subject of an event; `kind` is its type as subject tokens (`core.cloudevents.subject_of`)."""
    return f"visapi.events.{tenant}.{kind}"


def event_tenant(subject: str) -> str:
    """The tenant of a subject under `visapi.events.`; it may not exist."""
    return subject.split(".", 3)[2]


def lifecycle(tenant: str, kind: str) -> str:
    """The subject of a lifecycle event; `kind` is its type."""
    return f"visapi.lifecycle.{tenant}.{kind}"


def dead_letter(service: str, reason: str) -> str:
    return f"visapi.dlq.{service}.{reason}"
