"""Programs whose expressions exceeded their budget lately: their runs are worth a process of their own."""

from collections.abc import Callable

KNOWN_S = 600.0
KNOWN_MAX = 1_000


class Suspects:
    """Hashes of programs, the last ones first to stay."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, program: str) -> None:
        self._until.pop(program, None)
        self._until[program] = self._clock() + KNOWN_S
        if len(self._until) > KNOWN_MAX:
            del self._until[next(iter(self._until))]

    def known(self, program: str) -> bool:
        until = self._until.get(program)
        return until is not None and self._clock() < until
