"""Reads what was decided at each task out of the history of one transition."""

from typing import Any

from visapi_common.contracts.simulation import Decision
from visapi_engine.definition.program import Program, TryNode
from visapi_engine.machine import history
from visapi_engine.machine.history import Entry

_WORDS = {
    history.TASK_SKIPPED: "skipped",
    history.TASK_RETRIED: "retried",
    history.TASK_COMPLETED: "completed",
    history.TASK_FAULTED: "faulted",
    history.TASK_CANCELLED: "cancelled",
    history.TASK_SUSPENDED: "held",
}


def decisions_of(program: Program, entries: list[Entry], first_seq: int, began_ms: int) -> list[Decision]:
    """The decisions that the entries of one transition show, in order."""
    found: list[Decision] = []
    ended = {entry.task.pointer for entry in entries if entry.task and entry.type == history.TASK_FAULTED}
    retried = {entry.task.pointer for entry in entries if entry.task and entry.type == history.TASK_RETRIED}
    for seq, entry in enumerate(entries, first_seq):
        word = _WORDS.get(entry.type)
        if word is None or entry.task is None:
            continue
        word, detail = _what(word, entry.data or {})
        after_ms = entry.time_ms - began_ms
        found.append(Decision(seq, after_ms, entry.task.name, entry.task.pointer, word, detail))
        if entry.type == history.TASK_FAULTED:
            catcher = _catcher(program, entry.task.pointer)
            if catcher is not None and catcher.pointer not in ended | retried:
                then = "its `catch.do` begins" if catcher.catch_children else "it goes on"
                found.append(Decision(seq, after_ms, catcher.name, catcher.pointer, "caught", then))
    return found


def _what(word: str, data: dict[str, Any]) -> tuple[str, str | None]:
    error = data.get("error")
    if word == "skipped":
        return ("recalled", data["reason"]) if "reason" in data else (word, "its `if` does not hold")
    if word == "completed" and "case" in data:
        return "case", data["case"] or "no case holds"
    if word == "retried" and "delay_ms" in data:
        return word, f"attempt {data['attempt']} after {data['delay_ms']} ms"
    if word in ("faulted", "held") and isinstance(error, dict):
        said: dict[str, Any] = error  # pyright: ignore[reportUnknownVariableType] (`Any` narrowed to dict)
        return word, f"{said.get('title') or said.get('type')}: {said.get('detail') or said.get('status')}"
    return word, None


def _catcher(program: Program, pointer: str) -> TryNode | None:
    """The `try` whose block a task stands in directly, if it does."""
    node = program.nodes.get(pointer)
    parent = None if node is None or node.parent is None else program.nodes.get(node.parent)
    if isinstance(parent, TryNode) and pointer in parent.children:
        return parent
    return None
