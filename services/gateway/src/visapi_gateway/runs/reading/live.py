"""Waiters for changes of runs, woken by live messages.

One subscription per replica feeds this hub. A live message is only a hint: a woken waiter reads PostgreSQL.
All waiters are woken when NATS reconnects, because messages may have been missed, and they poll while NATS is
away.
"""

import asyncio
from collections.abc import Callable, Container, Generator
from contextlib import contextmanager
from uuid import UUID

from visapi_common.contracts.engine_messages import LiveUpdate
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.runs import ENDED

_read = Reader(LiveUpdate)

POLL_S = 0.5
"""The interval at which waiters poll while NATS is away."""
CHECK_S = 5.0
"""The interval at which waiters poll while NATS is connected, because live messages are not acknowledged."""
_NO_RUN = ""
"""No subject ends in it."""


class RunWaiter:
    """Wakes when the run has changed (`end_only`: has ended), or when the hub is closing."""

    __slots__ = ("_event", "_hub", "end_only", "ended")

    def __init__(self, hub: "LiveHub", *, end_only: bool) -> None:
        self._hub = hub
        self._event = asyncio.Event()
        self.end_only = end_only
        self.ended = False
        """Whether a live message announced the run's end."""

    def ring(self) -> None:
        self._event.set()

    async def wait(self, limit_s: float) -> bool:
        """Return at a change, after `limit_s`, or when it is time to poll. Whether it rang."""
        patience = min(limit_s, CHECK_S if self._hub.connected else POLL_S)
        try:
            async with asyncio.timeout(max(0.0, patience)):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class LiveHub:
    """The waiters of this replica, by run."""

    def __init__(self, connected: Callable[[], bool]) -> None:
        self._bells: dict[str, set[RunWaiter]] = {}
        self._watching: dict[RunWaiter, Container[str]] = {}
        self._connected = connected
        self.closing = False

    @property
    def connected(self) -> bool:
        """Whether live messages can arrive."""
        return self._connected()

    @contextmanager
    def listen(self, run: UUID, *, end_only: bool = False) -> Generator[RunWaiter]:
        """Wait for every change that the run commits from now on, or only for its end."""
        with self._listen_by(str(run), RunWaiter(self, end_only=end_only)) as bell:
            yield bell

    @contextmanager
    def listen_to(self, tenants: Container[str]) -> Generator[RunWaiter]:
        """Wait for every change of a run of these tenants, as they are when it is announced."""
        with self.attend() as bell:
            self._watching[bell] = tenants
            try:
                yield bell
            finally:
                del self._watching[bell]

    @contextmanager
    def attend(self) -> Generator[RunWaiter]:
        """A waiter that its owner rings; it wakes when the hub is closing, too."""
        with self._listen_by(_NO_RUN, RunWaiter(self, end_only=False)) as bell:
            yield bell

    @contextmanager
    def _listen_by(self, key: str, bell: RunWaiter) -> Generator[RunWaiter]:
        self._bells.setdefault(key, set()).add(bell)
        try:
            yield bell
        finally:
            bells = self._bells[key]
            bells.discard(bell)
            if not bells:
                del self._bells[key]

    def receive(self, subject: str, body: bytes) -> None:
        """Handle a live message; its subject ends in the tenant and the run's id."""
        if self._watching:
            tenant = subject[:-37].rpartition(".")[2]
            for bell, tenants in self._watching.items():
                if tenant in tenants:
                    bell.ring()
        bells = self._bells.get(subject[-36:])
        if not bells:
            return
        ended = _says_ended(body)
        for bell in bells:
            if ended or not bell.end_only:
                bell.ended |= ended
                bell.ring()

    def connection_changed(self) -> None:
        """Wake all waiters, because the connection to NATS has changed."""
        self._ring_all()

    def close(self) -> None:
        """Wake all waiters, so that streams and waits end."""
        self.closing = True
        self._ring_all()

    def _ring_all(self) -> None:
        for bells in self._bells.values():
            for bell in bells:
                bell.ring()


def _says_ended(body: bytes) -> bool:
    """Whether the message announces an end. For an unreadable message the waiter polls after `CHECK_S`."""
    update = _read(body)
    return not isinstance(update, Unreadable) and update.status in ENDED
