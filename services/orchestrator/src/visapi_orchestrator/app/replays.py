"""Puts back what was set aside, once somebody has mended its reason and asked for it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.core.failures import told
from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.core.set_aside import Replay

LIMIT = 100
_EVERY_S = 1.0


class ReplayedRows(Protocol):
    async def to_replay(self, limit: int) -> Sequence[Replay]: ...
    async def replay(self, letters: Sequence[Replay]) -> None: ...
    async def reopen(self, letter: UUID, detail: str) -> None: ...


async def keep_replaying(
    rows: ReplayedRows, isolation: Isolation, asked: asyncio.Event, put_back: Callable[[], None]
) -> None:
    """Look once a second, and at once when `asked`, until cancelled; tell of what was `put_back`. What cannot
    be put back is open again, with the new reason.
    """

    async def reopen(letter: Replay, error: Exception) -> None:
        await rows.reopen(letter.id, f"the replay failed: {told(error)}")

    while True:
        full = False
        asked.clear()
        try:
            letters = await rows.to_replay(LIMIT)
            result = await isolation.each(letters, rows.replay, reopen)
            full = len(letters) == LIMIT and result.fault is None
            if result.done:
                put_back()
        except Fault as fault:
            isolation.note(fault)
        if not full:
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), _EVERY_S)
