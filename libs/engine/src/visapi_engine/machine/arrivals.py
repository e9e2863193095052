"""Offers an incoming event to all open listeners of a run."""

from typing import Any

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.events import EventArrived
from visapi_engine.machine.faults import TaskFault
from visapi_engine.machine.lifecycle import run_agenda, settle
from visapi_engine.machine.nodes import listen
from visapi_engine.machine.outcomes import Faulted, Outcome
from visapi_engine.machine.state import ListenFrame
from visapi_engine.machine.values import UnreadableValue, read_json
from visapi_engine.model.program import ListenNode


def offer(draft: Draft, event: EventArrived) -> str | None:
    """Offer the event to each open listener; gives the reason if none consumed it."""
    try:
        arrived = read_json(event.event, dict[str, Any])
    except UnreadableValue as wrong:
        return f"the event is unreadable: {wrong}"
    taken = False
    for path in [path for path, frame in draft.frames.items() if isinstance(frame, ListenFrame)]:
        outcome = _offered(draft, path, arrived)
        if outcome is None:
            continue
        taken = True
        settle(draft, draft.frames.task_at(path), outcome)
        run_agenda(draft)
    return None if taken else "nobody listens for it"


def _offered(draft: Draft, path: str, arrived: dict[str, Any]) -> Outcome | None:
    frame = draft.frames.get(path)
    if not isinstance(frame, ListenFrame):
        return None
    task = draft.frames.task_at(path)
    assert isinstance(task.node, ListenNode)
    try:
        return listen.offered(draft, task, task.node, frame, arrived)
    except TaskFault as fault:
        return Faulted(fault.error)
