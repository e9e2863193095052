"""Reconnection of a run's follower after its stream breaks. Pure."""

from visapi.client.failures import ApiError, UnreachableError
from visapi.client.retrying import ATTEMPTS, PAUSE_S, mends_itself

_PAUSE_MAX_S = 4.0


class Reconnects:
    """Counts broken streams in a row: the caller pauses and connects again, until there were too many."""

    def __init__(self, attempts: int = ATTEMPTS) -> None:
        self._attempts = attempts
        self._failures = 0

    def progressed(self) -> None:
        """The stream said something: what broke before is over."""
        self._failures = 0

    def pause_s(self, error: UnreachableError | ApiError) -> float:
        """The pause before the next connection. Raises `error` when no other one would help."""
        if not mends_itself(error):
            raise error
        self._failures += 1
        if self._failures >= self._attempts:
            raise error
        return min(_PAUSE_MAX_S, PAUSE_S * 2.0**self._failures)


def ended_early(url: str) -> UnreachableError:
    """A stream that ended without `event: end`, as a gateway that stops ends one."""
    return UnreachableError(f"{url} ended the stream before the run ended")
