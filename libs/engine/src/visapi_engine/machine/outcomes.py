"""What a construct answers when it is begun, or when something within it ended."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.model.program import Flow


class Completed(NamedTuple):
    """The task's body ended with this raw output. `flow` goes before the task's own `then`."""

    output: Any
    flow: Flow | None = None
    recalled: bool = False
    """Nothing was done now: the task completed in an earlier attempt of its block."""
    skipped: bool = False
    """Nothing was done: the task's `if` did not hold."""
    facts: Mapping[str, Any] | None = None
    """What was decided, for the history: the case of a `switch`, the winner of a race."""


class Opened(NamedTuple):
    """The task stays open, or its children were put on the agenda."""


class Faulted(NamedTuple):
    """The task ended with an error that nothing within it caught."""

    error: WorkflowError


Outcome = Completed | Opened | Faulted
