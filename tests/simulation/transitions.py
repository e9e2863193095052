"""Which transitions of runs and of tasks sessions take, and which events change nothing, and why.

A run's state is its status; a task's state follows from the words of its history. The page
`docs/reference/run-states.md` is made of what the golden sessions take (`tools/reference.py`).
"""

import re
from typing import NamedTuple

from simulation.session import Session
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.events import Event, RetryRequested, TimerFired
from visapi_engine.machine.history import Entry
from visapi_engine.machine.paths import split_timer_id
from visapi_engine.machine.result import Advance
from visapi_engine.machine.state import CallFrame, State, TryFrame

NEW = "new"
"""Before the first event."""
_STATE_AFTER = {
    "task.created": "created",
    "task.started": "started",
    "task.resumed": "started",
    "task.retried": "started",
    "task.suspended": "held",
    "task.completed": "completed",
    "task.faulted": "faulted",
    "task.cancelled": "cancelled",
    "task.skipped": "skipped",
}
_FROM = {
    "task.started": ("created",),
    "task.skipped": ("created", "started"),
    "task.suspended": ("started",),
    "task.resumed": ("held", "faulted", "cancelled"),
    "task.retried": ("started", "held", "faulted", "cancelled"),
    "task.completed": ("started", "held", "created"),
    "task.faulted": ("started", "held", "created"),
    "task.cancelled": ("started", "held", "created"),
}
"""States that a word may follow, the likeliest first: items of a map share their pointer."""


class Edge(NamedTuple):
    """From one state to another by an event."""

    before: str
    event: str
    after: str


class Taken:
    """What sessions took. `noted` holds why an event changed nothing, by the run's state and the event."""

    def __init__(self) -> None:
        self.runs: set[Edge] = set()
        self.tasks: set[Edge] = set()
        self.noted: dict[tuple[str, str], set[str]] = {}
        self.acted: set[tuple[str, str]] = set()
        """What was open under the path of an event, and the event, where the run acted on it; `ignored` where it did not."""
        self.ignored: set[tuple[str, str]] = set()

    def add(self, session: Session) -> None:
        """Take what a session took, from its first event on."""
        before: State | None = None
        tasks = _Tasks()
        for event, step in zip(session.events, session.steps, strict=True):
            self._add_step(before, event, step)
            if not session.plan.program.quiet:
                kind = type(event).__name__
                self.tasks |= {
                    Edge(old, kind, new) for old, new in tasks.follow(event, step.history) if old != new
                }
            before = step.state

    def _add_step(self, before: State | None, event: Event, step: Advance) -> None:
        state, kind = NEW if before is None else before.status.value, type(event).__name__
        place = _place(before, event)
        if step.noted is None:
            self.runs.add(Edge(state, kind, step.state.status.value))
            self.acted |= set() if place is None else {(place, kind)}
        else:
            self.noted.setdefault((state, kind), set()).add(_general(step.noted))
            if place is not None:
                self.ignored.add((place, kind))


class _Tasks:
    """The activations of each task of one run, by pointer, and the state of each."""

    def __init__(self) -> None:
        self._states: dict[str, list[str]] = {}

    def follow(self, event: Event, entries: list[Entry]) -> list[tuple[str, str]]:
        """The changes of state that the history of one transition tells."""
        found: list[tuple[str, str]] = []
        previous = ""
        for place, entry in enumerate(entries):
            if entry.task is None:
                found += self._reopened(entry, entries[place:])
                continue
            states = self._states.setdefault(entry.task.pointer, [])
            after = _STATE_AFTER[entry.type]
            resumed = previous == f"task.resumed {entry.task.pointer}"
            previous = f"{entry.type} {entry.task.pointer}"
            if entry.type == "task.created" or not states:
                states.append(after)
                found.append((NEW, after))
                continue
            wanted = _FROM[entry.type]
            if entry.type == "task.retried" and isinstance(event, RetryRequested) and not resumed:
                wanted = ("faulted", *wanted)
            index = _latest(states, wanted)
            found.append((states[index], after))
            states[index] = after
        return found

    def _reopened(self, entry: Entry, following: list[Entry]) -> list[tuple[str, str]]:
        """A retried run reopens the task that failed; only a call, and a task that begins anew, say so."""
        pointer = (entry.data or {}).get("retried")
        states = self._states.get(pointer or "", [])
        said = {one.type for one in following if one.task is not None and one.task.pointer == pointer}
        if not states or states[-1] != "faulted" or said & {"task.created", "task.retried"}:
            return []
        states[-1] = "started"
        return [("faulted", "started")]


def _latest(states: list[str], wanted: tuple[str, ...]) -> int:
    for state in wanted:
        for index in range(len(states) - 1, -1, -1):
            if states[index] == state:
                return index
    raise AssertionError(f"none of {states} is one of {wanted}")


def _place(before: State | None, event: Event) -> str | None:
    """What is open under the path that an event names; None for events of the run, or of one that stands still."""
    if before is None or before.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return None
    path = split_timer_id(event.id)[0] if isinstance(event, TimerFired) else getattr(event, "path", None)
    if path is None:
        return None
    frame = before.frames.get(path)
    if isinstance(frame, CallFrame) and frame.held:
        return "call, held"
    if isinstance(frame, TryFrame) and frame.retry_at is not None:
        return "try, waiting"
    return "nothing" if frame is None else str(frame.__struct_config__.tag)


def _general(reason: str) -> str:
    """A reason without the paths, ids and numbers of one session."""
    reason = re.sub(r"(/do/|/schedule/|#)\S+?(?=[,:]?(\s|$))", "PATH", reason)
    reason = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\bnone\b(?= at)|\bother\b", "ID", reason)
    reason = re.sub(r"'[^']*'(?= is none)", "the decision", reason)
    return re.sub(r"\b\d+\b", "N", re.sub(r"unreadable: .*", "unreadable", reason))
