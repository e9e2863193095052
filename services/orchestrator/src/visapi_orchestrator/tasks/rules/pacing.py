"""The pace of looks at a function's held tasks: immediate, unless many looks follow one another.

A look costs a transaction, so under constant commits one look serves several commits. Times are of a
monotonic clock, in seconds. Pure.
"""

from typing import Final, Literal

REST_S: Final = 0.01
"""After each look its function rests, …"""
SAVED: Final = 8
"""… and this many rests may be left out in a row: they are made up for by the pauses before or after them."""
LOOK_S: Final = 0.03
SLOW_S: Final = 0.25

Outcome = Literal["released", "left", "taken"]
"""Of a look: tasks were released, all were left, or another process was looking."""


class Pace:
    """A bucket of `SAVED` rests (GCRA), so that the steps of a run wait for no rest while few tasks are
    committed. Tasks that were left are looked at again after `LOOK_S`, and later after each look that
    released nothing.
    """

    def __init__(self) -> None:
        self.woken = False
        """A task was committed that need not wait for others: the next look comes after the rest."""
        self._began_s = self._rested_at_s = self._look_at_s = float("-inf")
        self._pause_s = LOOK_S
        self._was_taken = False

    @property
    def next_s(self) -> float:
        """When held tasks are looked at next."""
        rested_at_s = self._rested_at_s - SAVED * REST_S
        return rested_at_s if self.woken else max(self._look_at_s, rested_at_s)

    def began(self, now_s: float) -> None:
        """A look begins."""
        self.woken = False
        self._began_s = now_s

    def ended(self, now_s: float, outcome: Outcome) -> None:
        """A look ended. While another process looks, tasks of this one wait, so it comes back soon."""
        match outcome:
            case "released":
                self._pause_s = LOOK_S
            case "left":
                self._pause_s = min(SLOW_S, max(LOOK_S, self._pause_s) * 2)
            case "taken":
                self._pause_s = min(SLOW_S, self._pause_s * 2) if self._was_taken else REST_S
        self._was_taken = outcome == "taken"
        # The look itself is no rest: sustained looks stay `REST_S` apart however long they take.
        self._rested_at_s = max(self._rested_at_s, self._began_s) + (now_s - self._began_s) + REST_S
        self._look_at_s = now_s + self._pause_s
