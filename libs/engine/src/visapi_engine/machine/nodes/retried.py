"""What a retried block remembers: effects that completed, and the attempts made at each (DESIGN 3.5).

It lies with the outermost open `try` that retries: no retry within it repeats what completed.
"""

from typing import Any

from visapi_engine.definition.program import TryNode
from visapi_engine.machine.state import TryFrame
from visapi_engine.machine.transition import Transition


def block(tx: Transition, path: str) -> TryFrame | None:
    """The outermost open `try` around a path whose block may run again."""
    found = None
    for at, frame in tx.enclosing(path):
        if isinstance(frame, TryFrame):
            node = tx.node_at(at)
            assert isinstance(node, TryNode)
            found = frame if node.retry is not None else found
    return found


def next_attempt(tx: Transition, within: TryFrame | None, path: str) -> int:
    """The number of the next attempt at an effect."""
    made = 0 if within is None else within.attempts.get(path, 0)
    return max(made, tx.attempts.get(path, 0)) + 1


def attempted(within: TryFrame | None, path: str, attempt: int) -> None:
    """An attempt is made now."""
    if within is not None:
        within.attempts = {**within.attempts, path: attempt}


def remember(within: TryFrame | None, path: str, output: Any) -> None:
    """An effect completed."""
    if within is not None:
        within.memo = {**within.memo, path: output}
