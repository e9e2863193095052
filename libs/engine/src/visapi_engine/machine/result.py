"""The result of one event."""

from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.machine.commands import Command
from visapi_engine.machine.history import Entry
from visapi_engine.machine.state import State


class Advance(msgspec.Struct, frozen=True):
    """The result of one event. `output` and `error` are set if the run ended in this transition.

    `noted` is the reason why the event changed nothing; a command may then drop or set the event's timer.
    `attributes` are all search attributes of the run, if any of them changed.
    """

    state: State
    commands: list[Command]
    history: list[Entry]
    noted: str | None = None
    output: Any = None
    error: WorkflowError | None = None
    attributes: dict[str, Any] | None = None
