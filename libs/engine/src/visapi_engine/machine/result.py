"""What one event led to."""

from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.machine.commands import Command
from visapi_engine.machine.history import Entry
from visapi_engine.machine.state import State


class Advance(msgspec.Struct, frozen=True):
    """What an event led to. `output` and `error` belong to a run that ended in this transition.

    With `noted` the event changed nothing; the one command it may carry drops a stale timer's row.
    `attributes` are all search attributes of the run, where they changed.
    """

    state: State
    commands: list[Command]
    history: list[Entry]
    noted: str | None = None
    output: Any = None
    error: WorkflowError | None = None
    attributes: dict[str, Any] | None = None
