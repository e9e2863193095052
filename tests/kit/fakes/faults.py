"""What a test plans for the calls of a fake: errors, and calls that wait."""

import asyncio
from collections import Counter, defaultdict, deque


class Planned:
    """`fake.faults.plan("write", error, …)`: each error is raised once, in order."""

    def __init__(self) -> None:
        self._next: defaultdict[str, deque[Exception | None]] = defaultdict(deque)
        self._gates: dict[str, asyncio.Event] = {}
        self.entered: Counter[str] = Counter()
        """How often each method was called."""

    def plan(self, method: str, *errors: Exception | None) -> None:
        self._next[method].extend(errors)

    def hold(self, method: str) -> None:
        """Calls of the method wait until `let_go`."""
        self._gates[method] = asyncio.Event()

    def let_go(self, method: str) -> None:
        self._gates.pop(method).set()

    async def enter(self, method: str) -> None:
        """Wait while the method is held, then raise what is planned for this call."""
        self.entered[method] += 1
        if method in self._gates:
            await self._gates[method].wait()
        self.meet(method)

    def meet(self, method: str) -> None:
        """Raise what is planned for this call."""
        planned = self._next[method]
        error = planned.popleft() if planned else None
        if error is not None:
            raise error
