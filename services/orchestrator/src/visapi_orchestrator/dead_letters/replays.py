"""Replays dead letters on request."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.dead_letters.rules.entries import Replay

LIMIT = 100
_EVERY_S = 1.0


class ReplayedRows(Protocol):
    async def to_replay(self, limit: int) -> Sequence[Replay]: ...
    async def replay(self, dead_letters: Sequence[Replay]) -> None: ...
    async def reopen(self, dead_letter: UUID, detail: str) -> None: ...


class Replays:
    """The loop that replays dead letters; it calls `put_back` afterwards."""

    def __init__(self, rows: ReplayedRows, isolation: Isolation, put_back: Callable[[], None]) -> None:
        self._rows = rows
        self._isolation = isolation
        self._put_back = put_back
        self._asked = asyncio.Event()

    def hint(self) -> None:
        """A replay may have been requested."""
        self._asked.set()

    async def run(self) -> None:
        """Look once a second, and at once when hinted, until cancelled."""
        while True:
            self._asked.clear()
            if not await self._some():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._asked.wait(), _EVERY_S)

    async def _some(self) -> bool:
        """Replay once; True where more wait. A failed replay reopens its dead letter."""
        try:
            dead_letters = await self._rows.to_replay(LIMIT)
        except Fault as fault:
            self._isolation.note(fault)
            return False
        result = await self._isolation.each(dead_letters, self._rows.replay, self._reopen)
        if result.done:
            self._put_back()
        return len(dead_letters) == LIMIT and result.fault is None

    async def _reopen(self, dead_letter: Replay, error: Exception) -> None:
        await self._rows.reopen(dead_letter.id, f"the replay failed: {failure_text(error)}")
