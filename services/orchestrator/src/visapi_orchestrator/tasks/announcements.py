"""Announcements that wait for an answer: the newest of each worker, the owners in turns.

A worker that repeats its announcement replaces it, and an owner with many workers, or with one that never
stops, delays no other owner for longer than one announcement takes.
"""

import asyncio
from collections import deque

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_orchestrator.tasks.claims import WorkerRequest

_WORKERS_MAX = 64
_OWNERS_MAX = 1000


class _Announcer(msgspec.Struct, frozen=True):
    worker: str = ""


_read = Reader(_Announcer)


class Announcements:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, WorkerRequest]] = {}
        self._turns: deque[str] = deque()
        self._some = asyncio.Event()

    def put(self, asked: WorkerRequest) -> None:
        """Keep the announcement, unless too many of its owner wait, or nobody waits for the answer.

        JetStream publishes acknowledgements on whatever subject their publisher names; they have no inbox.
        """
        if not asked.answerable:
            return
        owner = subjects.speaker(asked.subject)
        waiting = self._waiting.get(owner)
        if waiting is None:
            # The owners are the users that the server knows; the bound holds whatever it knows.
            if len(self._waiting) >= _OWNERS_MAX and owner != subjects.BUILTIN:
                return
            waiting = self._waiting[owner] = {}
            self._turns.append(owner)
        worker = _worker_of(asked.data)
        if worker in waiting or len(waiting) < _WORKERS_MAX:
            waiting[worker] = asked
        self._some.set()

    async def take(self) -> WorkerRequest:
        """The oldest announcement of the owner whose turn it is; waits for one."""
        await self._some.wait()
        owner = self._turns.popleft()
        waiting = self._waiting[owner]
        asked = waiting.pop(next(iter(waiting)))
        if waiting:
            self._turns.append(owner)
        else:
            del self._waiting[owner]
        if not self._turns:
            self._some.clear()
        return asked


def _worker_of(body: bytes) -> str:
    announcer = _read(body)
    return "" if isinstance(announcer, Unreadable) else announcer.worker
