"""The parts of docs/reference/run-states.md: what the golden sessions of the machine take."""

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from simulation.golden import sessions
from simulation.transitions import NEW, Edge, Taken
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.events import Event

LABELS_MAX = 4
"""Events named beside an arrow; the table names those of the others."""
FIRST = ("Started", "EngineFailed")
STATES = [NEW, *(status.value for status in RunStatus if status is not RunStatus.PENDING)]
PLACES = [
    "nothing",
    "call",
    "call, held",
    "child",
    "approve",
    "listen",
    "wait",
    "try",
    "try, waiting",
    "do",
    "for",
    "fork",
    "map",
]


def kinds() -> list[str]:
    """The kinds of events, in the order of their declaration."""
    found: list[str] = []
    for member in get_args(Event):
        found += [kind.__name__ for kind in get_args(member) or (member,)]
    return found


@cache
def taken() -> Taken:
    """What the golden sessions take."""
    found = Taken()
    for _, golden in sessions():
        found.add(golden.play()[1])
    return found


def run_diagram() -> Iterator[str]:
    yield from _diagram(taken().runs)


def task_diagram() -> Iterator[str]:
    yield from _diagram(taken().tasks)


def _diagram(edges: Iterable[Edge]) -> Iterator[str]:
    by_pair = _events_by_pair(edges)
    ends = sorted({after for _, after in by_pair} & {"completed", "faulted", "cancelled", "skipped"})
    yield "```mermaid"
    yield "stateDiagram-v2"
    for (before, after), events in sorted(by_pair.items()):
        if before != after:
            label = ", ".join(events) if len(events) <= LABELS_MAX else f"{len(events)} kinds of events"
            yield f"    {'[*]' if before == NEW else before} --> {after}: {label}"
    for state in ends:
        yield f"    {state} --> [*]"
    yield "```"


def _events_by_pair(edges: Iterable[Edge]) -> dict[tuple[str, str], list[str]]:
    order = {kind: place for place, kind in enumerate(kinds())}
    found: dict[tuple[str, str], list[str]] = {}
    for edge in sorted(edges, key=lambda one: order[one.event]):
        found.setdefault((edge.before, edge.after), []).append(edge.event)
    return found


def task_transitions() -> Iterator[str]:
    yield "| from | to | by |"
    yield "|---|---|---|"
    for (before, after), events in sorted(_events_by_pair(taken().tasks).items()):
        yield f"| {before} | {after} | {', '.join(f'`{kind}`' for kind in events)} |"


def run_coverage() -> Iterator[str]:
    """Each event in each state of a run: where it leads, or why it changes nothing."""
    found = taken()
    yield f"| event | {' | '.join(STATES)} |"
    yield f"|---|{'---|' * len(STATES)}"
    for kind in kinds():
        yield f"| `{kind}` | {' | '.join(_run_cell(found, state, kind) for state in STATES)} |"


def _run_cell(found: Taken, state: str, kind: str) -> str:
    if state == NEW and kind not in FIRST:
        return "never"
    results = sorted({edge.after for edge in found.runs if (edge.before, edge.event) == (state, kind)})
    if results:
        return ", ".join(results)
    return "nothing" if (state, kind) in found.noted else "**not shown**"


def run_reasons() -> Iterator[str]:
    """Why an event may change nothing, in the states of a run that has not ended."""
    found = taken()
    yield "| event | state | reasons |"
    yield "|---|---|---|"
    for kind in kinds():
        for state in ("running", "waiting", "suspended"):
            if reasons := found.noted.get((state, kind)):
                yield f"| `{kind}` | {state} | {_reasons(reasons)} |"


def task_coverage() -> Iterator[str]:
    """Each event that names a task, for whatever is open under its path."""
    found = taken()
    known = {event for _, event in {*found.acted, *found.ignored}}
    named = [kind for kind in kinds() if kind in known]
    yield f"| open under the path | {' | '.join(f'`{kind}`' for kind in named)} |"
    yield f"|---|{'---|' * len(named)}"
    for place in PLACES:
        yield f"| {place} | {' | '.join(_task_cell(found, place, kind) for kind in named)} |"


def _task_cell(found: Taken, place: str, kind: str) -> str:
    if (place, kind) in found.acted:
        return "acts"
    return "nothing" if (place, kind) in found.ignored else "**not shown**"


def _reasons(reasons: Iterable[str]) -> str:
    return "; ".join(sorted(reasons))
