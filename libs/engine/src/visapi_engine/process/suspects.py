"""Remembers for a while programs whose expressions exceeded a budget, and runs that ended a process."""

from collections.abc import Callable

KNOWN_S = 600.0
KNOWN_MAX = 1_000


class Suspects:
    """Hashes of programs, or ids of runs, the last ones first to stay."""

    def __init__(self, clock: Callable[[], float], known_s: float = KNOWN_S) -> None:
        self._clock = clock
        self._known_s = known_s
        self._until: dict[str, float] = {}

    def add(self, name: str) -> None:
        self._until.pop(name, None)
        self._until[name] = self._clock() + self._known_s
        if len(self._until) > KNOWN_MAX:
            del self._until[next(iter(self._until))]

    def known(self, name: str) -> bool:
        until = self._until.get(name)
        return until is not None and self._clock() < until
