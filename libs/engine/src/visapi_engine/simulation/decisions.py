"""Reads from a history what was decided at each task."""

from collections.abc import Sequence
from typing import Any, cast

from visapi_common.contracts.simulation import TaskDecision
from visapi_engine.machine import history
from visapi_engine.machine.history import Entry
from visapi_engine.model.program import ExtendNode, Node, Program, TryNode

_WORDS = {
    history.TASK_SKIPPED: "skipped",
    history.TASK_RETRIED: "retried",
    history.TASK_COMPLETED: "completed",
    history.TASK_FAULTED: "faulted",
    history.TASK_CANCELLED: "cancelled",
    history.TASK_SUSPENDED: "held",
}


def decisions_of(program: Program, entries: Sequence[Entry], began_ms: int) -> list[TaskDecision]:
    """The decisions that a history shows, in its order."""
    found: list[TaskDecision] = []
    for place, entry in enumerate(entries):
        if entry.task is None:
            continue
        seq, after_ms, task = place + 1, entry.time_ms - began_ms, entry.task
        said = _said(program, entry)
        if said is not None:
            found.append(TaskDecision(seq, after_ms, task.name, task.pointer, *said))
        catcher = _catcher(program, entries, place)
        if catcher is not None:
            then = "its `catch.do` begins" if catcher.catch_children else "it goes on"
            found.append(TaskDecision(seq, after_ms, catcher.name, catcher.pointer, "caught", then))
    return found


def _said(program: Program, entry: Entry) -> tuple[str, str | None] | None:
    """The decision that an entry of a task shows, and its detail."""
    assert entry.task is not None
    data = entry.data or {}
    if entry.type == history.TASK_STARTED:
        return ("entered", "its `if` holds") if _is_conditional(program, entry.task.pointer) else None
    word = _WORDS.get(entry.type)
    match word:
        case None:
            return None
        case "skipped":
            return ("recalled", data["reason"]) if "reason" in data else (word, "its `if` does not hold")
        case "retried":
            delay = f" after {data['delay_ms']} ms" if "delay_ms" in data else ""
            return word, f"attempt {data['attempt']}{delay}"
        case "completed" if "case" in data:
            return "case", "no case holds" if data["case"] is None else str(data["case"])
        case _:
            return word, _detail(data)


def _detail(data: dict[str, Any]) -> str | None:
    """What the history says beside a task's output."""
    if "error" in data:
        return _shown(data["error"])
    if "branch" in data:
        return f"the branch {data['branch']} was first"
    if "iterations" in data:
        return f"iterations: {data['iterations']}"
    return f"caught {_shown(data['caught'])}" if "caught" in data else None


def _shown(error: Any) -> str:
    said = cast("dict[str, Any]", error)
    return f"{said.get('title') or said.get('type')}: {said.get('detail') or said.get('status')}"


def _is_conditional(program: Program, pointer: str) -> bool:
    """Whether a task has an `if`; with extensions around it, the outermost of them keeps it."""
    node = program.nodes.get(pointer)
    while node is not None and node.common.when is None:
        outer = _around(program, node)
        node = outer if isinstance(outer, ExtendNode) and outer.target == node.pointer else None
    return node is not None


def _catcher(program: Program, entries: Sequence[Entry], place: int) -> TryNode | None:
    """The `try` that caught the error of an entry: the next entry is neither its fault nor its retry."""
    entry = entries[place]
    if entry.type != history.TASK_FAULTED or entry.task is None:
        return None
    node = program.nodes[entry.task.pointer]
    outer = _around(program, node)
    while isinstance(outer, ExtendNode):
        node, outer = outer, _around(program, outer)
    if not isinstance(outer, TryNode) or node.pointer not in outer.children:
        return None
    following = entries[place + 1] if place + 1 < len(entries) else None
    if following is None or following.task is None or following.task.pointer != outer.pointer:
        return outer
    return None if following.type in (history.TASK_FAULTED, history.TASK_RETRIED) else outer


def _around(program: Program, node: Node) -> Node | None:
    return None if node.parent is None else program.nodes.get(node.parent)
