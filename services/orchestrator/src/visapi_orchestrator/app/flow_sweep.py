"""Looks after runs that wait for admission. Whoever ends a run admits the next; this finds what was left
behind: by a process that died, or by an engine that gave a run up.
"""

import asyncio
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation

_EVERY_S = 2.0


class FlowRows(Protocol):
    async def tidy(self) -> None: ...
    async def admit_waiting(self) -> list[UUID]: ...


class Woken(Protocol):
    def __call__(self, runs: list[UUID]) -> None:
        """These runs may begin."""
        ...


async def keep_admitting(rows: FlowRows, woken: Woken, isolation: Isolation) -> None:
    """Look every two seconds until cancelled."""
    while True:
        try:
            await rows.tidy()
            runs = await rows.admit_waiting()
            if runs:
                woken(runs)
        except Fault as fault:
            isolation.note(fault)
        await asyncio.sleep(_EVERY_S)
