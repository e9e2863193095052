"""Simulation of a definition without effects: the given answers and the result."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import HistoryItem, RunStatus


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The answer to one call: an output, an error, or an unknown outcome. `after` is an ISO 8601 duration."""

    output: Any = msgspec.UNSET
    error: WorkflowError | msgspec.UnsetType = msgspec.UNSET
    uncertain: bool = False
    after: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class SimulateWorkflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a simulation.

    `workflow` is a definition, as an object or as YAML or JSON text. `given` has an answer for each `call`
    and awaited `run`, by the task's pointer or name: one answer for all visits, or a list with one for each
    visit. `events` are CloudEvents for `listen` tasks, in order; only `type` is required. `now` is the start
    time; the default is the current time.
    """

    workflow: Any
    input: Any = None
    given: dict[str, Given | Annotated[list[Given], msgspec.Meta(max_length=1000)]] = {}
    events: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=1000)] = []
    now: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class TaskDecision(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision at a task: `seq` of its history item, and its time since the start.

    `what` is entered (its `if` holds), skipped, case, retried, caught, recalled, completed, faulted,
    cancelled or held.
    """

    seq: int
    after_ms: int
    name: str
    pointer: str
    what: str
    detail: str | None = None


class MissingAnswer(msgspec.Struct, frozen=True):
    """A call without an answer: its function and arguments, or the workflow and input of a child run; `give`
    says how to answer it.
    """

    pointer: str
    name: str
    function: str
    arguments: Any
    give: str


class Simulation(msgspec.Struct, frozen=True):
    """The result of a simulation. `stopped` says why it did not reach the end: `missing` answers, `listening`
    for events, `held` by an uncertain effect, or the `limit` on transitions.
    """

    status: RunStatus
    stopped: str | None
    output: Any
    error: WorkflowError | None
    elapsed_ms: int
    history: list[HistoryItem]
    decisions: list[TaskDecision]
    missing: list[MissingAnswer]
    emitted: list[dict[str, Any]]
    unused: list[str]
    """Pointers into the body: unused answers and unconsumed events."""
