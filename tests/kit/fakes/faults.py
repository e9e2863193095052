"""Failures that a test plans: the next calls of a method raise them."""

from collections import defaultdict, deque


class Planned:
    """`fake.faults.plan("write", error, …)`: each error is raised once, in order."""

    def __init__(self) -> None:
        self._next: defaultdict[str, deque[Exception | None]] = defaultdict(deque)

    def plan(self, method: str, *errors: Exception | None) -> None:
        self._next[method].extend(errors)

    def meet(self, method: str) -> None:
        """Raise what is planned for this call."""
        planned = self._next[method]
        error = planned.popleft() if planned else None
        if error is not None:
            raise error
