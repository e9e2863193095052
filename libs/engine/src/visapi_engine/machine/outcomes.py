"""The outcomes of a construct when it begins, or when a task within it ended."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.model.program import Flow


class Completed(NamedTuple):
    """The task's body ended with this raw output. `flow` goes before the task's own `then`."""

    output: Any
    flow: Flow | None = None
    recalled: bool = False
    """The task was not executed: it completed in an earlier attempt of its block."""
    skipped: bool = False
    """The task was not executed: its `if` did not hold."""
    facts: Mapping[str, Any] | None = None
    """Decisions for the history: the case of a `switch`, the winner of a race."""


class Opened(NamedTuple):
    """The task stays open, or its children were put on the agenda."""


class Faulted(NamedTuple):
    """The task ended with an error that no task within it caught."""

    error: WorkflowError


Outcome = Completed | Opened | Faulted
