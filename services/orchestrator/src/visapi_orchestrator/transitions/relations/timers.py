"""Timers that a transition sets, and timers that it removes."""

from visapi_common.core.named_rows import BigInt
from visapi_engine.machine.commands import DropTimer, SetTimer
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.step import Step


class NewTimer(Row, frozen=True):
    id: str
    fire_at_ms: BigInt


class TimerKey(Row, frozen=True):
    id: str


def new_timers(step: Step) -> list[NewTimer]:
    run = step.snapshot.run
    return [
        NewTimer(run, command.id, command.fire_at_ms)
        for command in step.answer.commands
        if isinstance(command, SetTimer)
    ]


def removed_timers(step: Step) -> list[TimerKey]:
    """Timers that the machine drops, and timers that fired and were not set again; each is named once."""
    set_again = {command.id for command in step.answer.commands if isinstance(command, SetTimer)}
    dropped = [command.id for command in step.answer.commands if isinstance(command, DropTimer)]
    fired = [timer.id for timer in step.messages.timers]
    known = set_again.union(dropped)
    removed = [*dropped, *(timer for timer in dict.fromkeys(fired) if timer not in known)]
    return [TimerKey(step.snapshot.run, timer) for timer in removed]
