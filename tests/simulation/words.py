"""Transitions in words: what they ask for and what they tell."""

import msgspec

from visapi_engine.machine.commands import (
    CallTask,
    CloseApproval,
    Command,
    DropCollection,
    DropRun,
    DropTask,
    DropTimer,
    Emit,
    HoldTask,
    KeepCollection,
    OpenApproval,
    RefuseEvent,
    RetryRun,
    SetTimer,
    StartRun,
    Subscribe,
    Unsubscribe,
)
from visapi_engine.machine.history import Entry
from visapi_engine.machine.result import Advance

NOON = 1_700_000_000_000


def told(step: Advance) -> str:
    """A transition in words: what it asks for, then the run's status."""
    if step.noted is not None:
        return f"noted: {step.noted}"
    lines = [shown_command(command) for command in step.commands]
    lines.append(f"the run is {step.state.status.value}")
    return "\n".join(lines)


def shown_command(command: Command) -> str:
    match command:
        case CallTask():
            again = f" (attempt {command.attempt})" if command.attempt > 1 else ""
            return f"call {command.path} {command.function} {command.arguments.decode()}{again}"
        case HoldTask():
            return f"hold {command.path}"
        case DropTask():
            return f"cancel {command.path}" if command.cancelled else f"drop {command.path}"
        case SetTimer():
            return f"timer {command.id} at noon+{(command.fire_at_ms - NOON) / 1000:g}s"
        case DropTimer():
            return f"untimer {command.id}"
        case _:
            return _shown_rest(command)


def _shown_rest(command: Command) -> str:
    match command:
        case Subscribe():
            return f"subscribe {command.path} {msgspec.json.encode(command.filters).decode()}"
        case Unsubscribe():
            return f"unsubscribe {command.path}"
        case Emit():
            return f"emit {command.path} {command.kind}"
        case StartRun():
            return f"run {command.path} {command.namespace}/{command.name} {command.version} {command.input.decode()}"
        case RetryRun():
            return f"retry run {command.path}"
        case DropRun():
            return f"cancel run {command.path}" if command.cancelled else f"drop run {command.path}"
        case _:
            return _shown_last(command)


def _shown_last(command: Command) -> str:
    match command:
        case OpenApproval():
            return f"ask {command.path}"
        case CloseApproval():
            return f"unask {command.state}"
        case KeepCollection():
            return f"collect {command.key[:8]} {command.body.decode()}"
        case DropCollection():
            return f"uncollect {command.key[:8]}"
        case RefuseEvent():
            return f"refuse {command.id}: {command.reason}"
        case _:
            raise AssertionError(f"no words for {command}")


def shown_entry(entry: Entry) -> str:
    return entry.type if entry.task is None else f"{entry.type} {entry.task.pointer}"
