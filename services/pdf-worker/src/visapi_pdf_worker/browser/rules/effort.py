"""Finds renderers that use too much CPU time and get a lower priority, or that flood the browser. Pure."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

GIVE_WAY_AFTER_S = 0.25
"""CPU time since the oldest document in work was begun; ordinary documents take 0.03 s."""
FLOOD_AFTER_S = 0.1
"""CPU time for messages to the browser within `FLOOD_WITHIN_S`: fifty thousand messages to the console take
0.16 s, small documents printed one after the other 0.09 s, such with many frames 0.3 s.
"""
FLOOD_WITHIN_S = 3.0
"""A fixed time, because a renderer prints any number of documents while one of somebody else is in work."""
FLOOD_SHARE = 0.4
"""Of the time of the main thread. Small documents need up to 0.16 of it for messages, documents of
frames up to 0.28; floods of the console 0.5 and more, those of dialogs and titles 1.
"""
_REMEMBERED_S = 5.0


class Working(Protocol):
    @property
    def pid(self) -> int: ...
    @property
    def renderer(self) -> bool: ...
    @property
    def cpu_s(self) -> float: ...
    @property
    def main_s(self) -> float: ...
    @property
    def messages_s(self) -> float: ...


class Effort:
    """CPU times of renderers at each look; the clock is the caller's.

    All messages of a document go through processes that the documents of others need, too: one that sends
    them without end (to the console, by dialogs, titles, frames) delays everybody's, though its own process
    is bounded.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Mapping[int, Working]]] = deque()
        self._begun = 0.0

    def look(self, now: float, begun: float, processes: Iterable[Working]) -> None:
        """Note the CPU times; `begun` is when the oldest document in work was begun."""
        self._looks.append((now, {process.pid: process for process in processes if process.renderer}))
        self._begun = begun
        while self._looks[0][0] < now - _REMEMBERED_S:
            self._looks.popleft()

    def long(self) -> set[int]:
        """The renderers that worked too long.

        Where several documents are in work a renderer that served others meanwhile is taken for the slow
        one's: it works much, too.
        """
        return {
            now.pid for now, before in self._since(self._begun) if now.cpu_s - before[0] > GIVE_WAY_AFTER_S
        }

    def floods(self) -> set[int]:
        """The renderers that keep the browser busy with messages."""
        found: set[int] = set()
        for now, (_, main_s, messages_s) in self._since(self._looks[-1][0] - FLOOD_WITHIN_S):
            messages, main = now.messages_s - messages_s, now.main_s - main_s
            if messages > FLOOD_AFTER_S and messages > FLOOD_SHARE * main:
                found.add(now.pid)
        return found

    def _since(self, begun: float) -> Iterable[tuple[Working, tuple[float, float, float]]]:
        """Each renderer, with its times at the first look since then; a newer one had none."""
        latest = self._looks[-1][1]
        first = next((seen for at, seen in self._looks if at >= begun), latest)
        for pid, now in latest.items():
            then = first.get(pid)
            yield now, (then.cpu_s, then.main_s, then.messages_s) if then is not None else (0.0, 0.0, 0.0)
