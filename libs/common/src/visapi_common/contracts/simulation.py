"""Carrying out a definition without touching the world: what is given, and what came of it."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import HistoryItem, RunStatus


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of one call: an output, an error, or nobody knows. `after` is an ISO 8601 duration."""

    output: Any = msgspec.UNSET
    error: WorkflowError | msgspec.UnsetType = msgspec.UNSET
    uncertain: bool = False
    after: str | None = None


class SimulateWorkflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a simulation.

    `workflow` is a definition, as an object or as YAML or JSON text. `given` has an answer for each
    `call` and awaited `run`, by the task's pointer or its name: one for all its visits, or a list for
    one after another. `events` are CloudEvents for whoever listens, in order; `type` is enough, the rest
    that an event needs is made. `now` is when it begins, else it begins now.
    """

    workflow: Any
    input: Any = None
    given: dict[str, Given | list[Given]] = {}
    events: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=1000)] = []
    now: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was decided at a task: `seq` of the history item that shows it, and when, after the begin.

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
    """A call for which nothing (more) was given: its function and arguments, or the workflow and the input
    of a child run; `give` says how to give it.
    """

    pointer: str
    name: str
    function: str
    arguments: Any
    give: str


class Simulation(msgspec.Struct, frozen=True):
    """What came of it. `stopped` says why it did not go on to its end: `missing` answers, `listening` for
    events, `held` by an uncertain effect, or the `limit` on transitions.
    """

    status: RunStatus
    stopped: str | None
    output: Any
    error: WorkflowError | None
    elapsed_ms: int
    history: list[HistoryItem]
    decisions: list[Decision]
    missing: list[MissingAnswer]
    emitted: list[dict[str, Any]]
    unused: list[str]
    """Pointers into the body: answers that nobody asked for, events that nobody took."""
