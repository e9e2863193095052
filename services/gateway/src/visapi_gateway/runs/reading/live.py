"""Who waits for news of a run, and how the news reaches them.

One subscription per replica feeds this hub; each waiter has a bell. A live message is a hint and
never the truth: whoever hears the bell reads PostgreSQL. Bells ring for all when NATS comes back,
because what was said meanwhile was not heard, and waiters look for themselves while it is away.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from uuid import UUID

from visapi_common.contracts.engine_messages import LiveUpdate
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.runs import ENDED

_read = Reader(LiveUpdate)

POLL_S = 0.5
"""How often a waiter looks for itself while NATS is away."""
CHECK_S = 5.0
"""How often it looks although nothing was said: a live message is not acknowledged by anybody."""


class Bell:
    """Rings when the run has news (`end_only`: when it ended), or when nobody may stay (`closing`)."""

    __slots__ = ("_event", "_hub", "end_only", "ended")

    def __init__(self, hub: "LiveHub", *, end_only: bool) -> None:
        self._hub = hub
        self._event = asyncio.Event()
        self.end_only = end_only
        self.ended = False
        """Whether a live message told of the run's end."""

    def ring(self) -> None:
        self._event.set()

    async def wait(self, limit_s: float) -> None:
        """Return at news, after `limit_s`, or when it is time to look without news."""
        patience = min(limit_s, CHECK_S if self._hub.connected else POLL_S)
        try:
            async with asyncio.timeout(max(0.0, patience)):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()


class LiveHub:
    """The waiters of this replica, by run."""

    def __init__(self, connected: Callable[[], bool]) -> None:
        self._bells: dict[str, set[Bell]] = {}
        self._connected = connected
        self.closing = False

    @property
    def connected(self) -> bool:
        """Whether live messages can come at all."""
        return self._connected()

    @contextmanager
    def listen(self, run: UUID, *, end_only: bool = False) -> Generator[Bell]:
        """Hear of everything the run commits from now on, or only of its end."""
        key, bell = str(run), Bell(self, end_only=end_only)
        self._bells.setdefault(key, set()).add(bell)
        try:
            yield bell
        finally:
            bells = self._bells[key]
            bells.discard(bell)
            if not bells:
                del self._bells[key]

    def heard(self, subject: str, body: bytes) -> None:
        """A live message came; its subject ends in the run's id."""
        bells = self._bells.get(subject[-36:])
        if not bells:
            return
        ended = _says_ended(body)
        for bell in bells:
            if ended or not bell.end_only:
                bell.ended |= ended
                bell.ring()

    def connection_changed(self) -> None:
        """NATS came or went; either way everybody looks for themselves now."""
        self._ring_all()

    def close(self) -> None:
        """Nobody may stay: streams and waits end themselves."""
        self.closing = True
        self._ring_all()

    def _ring_all(self) -> None:
        for bells in self._bells.values():
            for bell in bells:
                bell.ring()


def _says_ended(body: bytes) -> bool:
    """What cannot be read tells of no end; the waiter looks for itself after `CHECK_S`."""
    update = _read(body)
    return not isinstance(update, Unreadable) and update.status in ENDED
