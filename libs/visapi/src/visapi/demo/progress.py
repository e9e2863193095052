"""A run as a tree of steps, folded from its history. Pure: times come from the items."""

from datetime import datetime

import msgspec

from visapi_common.contracts.runs import HistoryItem

_STATES = {
    "task.created": "waiting",
    "task.started": "running",
    "task.retried": "retrying",
    "task.completed": "completed",
    "task.faulted": "faulted",
    "task.cancelled": "cancelled",
    "task.skipped": "skipped",
}
"""The displayed state for each lifecycle word of a task."""
ENDED = frozenset({"completed", "faulted", "cancelled", "skipped"})


class TaskProgress(msgspec.Struct):
    """One task. `retries` counts how often it was tried again."""

    name: str
    pointer: str
    depth: int
    state: str = "waiting"
    retries: int = 0
    began: datetime | None = None
    ended: datetime | None = None

    def seconds(self, now: datetime) -> float | None:
        """How long it took, or has taken until now."""
        if self.began is None:
            return None
        return max(0.0, ((self.ended or now) - self.began).total_seconds())


class Progress:
    """All steps seen so far, parents before their children."""

    def __init__(self) -> None:
        self._steps: dict[str, TaskProgress] = {}

    def take(self, item: HistoryItem) -> TaskProgress | None:
        """Fold one history item; answers the step it changed."""
        if item.task is None or item.type not in _STATES:
            return None
        pointer = item.task.pointer
        step = self._steps.get(pointer)
        if step is None:
            step = TaskProgress(item.task.name, pointer, self._depth(pointer))
            self._steps[pointer] = step
        step.state = _STATES[item.type]
        if item.type == "task.retried":
            step.retries += 1
        if step.began is None:
            step.began = item.time
        step.ended = item.time if step.state in ENDED else None
        return step

    def steps(self) -> list[TaskProgress]:
        """In the order of the definition: numbers in pointers compare as numbers."""
        return sorted(self._steps.values(), key=lambda step: _order(step.pointer))

    def _depth(self, pointer: str) -> int:
        return sum(1 for other in self._steps if pointer.startswith(f"{other}/"))


def _order(pointer: str) -> list[tuple[int, int, str]]:
    """`try` sorts before `catch`, as it happens."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0 if part == "try" else 1, part)
        for part in pointer.split("/")
    ]
