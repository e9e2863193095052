"""Which processes of documents have worked so long that they give way to others. Pure."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

GIVE_WAY_AFTER_S = 0.25
"""CPU time since the oldest document in work was begun; ordinary documents take 0.03 s."""
_REMEMBERED_S = 5.0


class Working(Protocol):
    @property
    def pid(self) -> int: ...
    @property
    def cpu_s(self) -> float: ...
    @property
    def renderer(self) -> bool: ...


class Effort:
    """CPU times of renderers at each look; the clock is the caller's."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Mapping[int, float]]] = deque()

    def look(self, now: float, begun: float, processes: Iterable[Working]) -> set[int]:
        """Note the CPU times; the renderers that worked too long since the time `begun`.

        Where several documents are in work a renderer that served others meanwhile is taken for the slow
        one's: it works much, too.
        """
        spent = {process.pid: process.cpu_s for process in processes if process.renderer}
        self._looks.append((now, spent))
        while self._looks[0][0] < now - _REMEMBERED_S:
            self._looks.popleft()
        before = next((seen for at, seen in self._looks if at >= begun), spent)
        return {pid for pid, cpu_s in spent.items() if cpu_s - before.get(pid, 0.0) > GIVE_WAY_AFTER_S}
