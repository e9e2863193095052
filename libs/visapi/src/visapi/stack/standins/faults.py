"""A script of faults for a stand-in: what goes wrong with the next requests."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    STATUS = "status"
    """Refuse with a status; nothing is applied."""
    HANG = "hang"
    """Apply, then never answer."""
    RESET = "reset"
    """Apply, then break the connection."""
    RESET_BEFORE = "reset-before"
    """Break the connection and apply nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: FaultKind = FaultKind.STATUS
    status: int = 503
    retry_after_s: int | None = None
    error: str = ""
    """For Slack: the word in `{"ok": false, "error": …}`; sent with status 200."""


class FaultScript:
    """Faults in order, one per request; afterwards everything works."""

    def __init__(self) -> None:
        self._next: deque[Fault] = deque()

    def add(self, fault: Fault, times: int = 1) -> None:
        self._next.extend([fault] * times)

    def take(self) -> Fault | None:
        return self._next.popleft() if self._next else None
