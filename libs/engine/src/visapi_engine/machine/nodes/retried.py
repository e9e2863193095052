"""The memory of a retried block: completed effects, and the number of attempts at each.

The outermost open `try` with a retry policy holds the memory, so no retry within it repeats a completed
effect. Reads are no effects: a retry repeats them, so that a poll sees the new answer. Each repetition has
its own effect key; otherwise a receiver that remembers keys would return the old answer.
"""

from typing import Any

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.state import TryFrame
from visapi_engine.model.program import TryNode


def block(draft: Draft, path: str) -> TryFrame | None:
    """The outermost open `try` around a path whose block may run again."""
    found = None
    for at, frame in draft.frames.enclosing(path):
        if isinstance(frame, TryFrame):
            node = draft.frames.node_at(at)
            assert isinstance(node, TryNode)
            found = frame if node.retry is not None else found
    return found


def next_attempt(draft: Draft, within: TryFrame | None, path: str) -> int:
    """The number of the next attempt at an effect."""
    made = 0 if within is None else within.attempts.get(path, 0)
    return max(made, draft.attempts.get(path, 0)) + 1


def attempted(within: TryFrame | None, path: str, attempt: int) -> None:
    """An attempt is made now."""
    if within is not None:
        within.attempts = {**within.attempts, path: attempt}


def remember(within: TryFrame | None, path: str, output: Any) -> None:
    """An effect completed."""
    if within is not None:
        within.memo = {**within.memo, path: output}


def repeat(within: TryFrame | None, path: str) -> None:
    """A task completed, and is done again when its block is retried."""
    if within is not None:
        within.repetitions = {**within.repetitions, path: repetition(within, path) + 1}


def repetition(within: TryFrame | None, path: str) -> int:
    """How often a task completed before and is done again."""
    return 0 if within is None else within.repetitions.get(path, 0)
