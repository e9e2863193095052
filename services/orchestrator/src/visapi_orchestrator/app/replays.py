"""Puts back what was set aside, once somebody has mended its reason and asked for it."""

import asyncio
from collections.abc import Sequence
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


async def keep_replaying(rows: ReplayedRows, isolation: Isolation) -> None:
    """Look once a second until cancelled. What cannot be put back is open again, with the new reason."""

    async def reopen(letter: Replay, error: Exception) -> None:
        await rows.reopen(letter.id, f"the replay failed: {told(error)}")

    while True:
        full = False
        try:
            letters = await rows.to_replay(LIMIT)
            result = await isolation.each(letters, rows.replay, reopen)
            full = len(letters) == LIMIT and result.fault is None
        except Fault as fault:
            isolation.note(fault)
        if not full:
            await asyncio.sleep(_EVERY_S)
