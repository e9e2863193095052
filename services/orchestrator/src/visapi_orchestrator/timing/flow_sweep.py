"""Admits waiting runs that no transition admits. The transition that ends a run admits the next one; this
sweep covers processes that died, and runs that the orchestrator faulted. A key whose runs cannot be
admitted delays no other key.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.kernel.ports import WakeRuns
from visapi_orchestrator.transitions.rules.flow import Key

_EVERY_S = 2.0


class FlowRows(Protocol):
    async def tidy(self) -> None: ...
    async def keys_with_room(self) -> Sequence[Key]:
        """The next keys under which a waiting run could be admitted."""
        ...

    async def admit_waiting(self, keys: Sequence[Key]) -> list[UUID]:
        """Admit waiting runs under these keys, in one transaction; return the runs that may begin."""
        ...


async def keep_admitting(rows: FlowRows, wake: WakeRuns, isolation: Isolation) -> None:
    """Look every two seconds until cancelled."""

    async def admit(keys: Sequence[Key]) -> None:
        runs = await rows.admit_waiting(keys)
        if runs:
            wake(runs)

    while True:
        try:
            await rows.tidy()
        except Fault as fault:
            isolation.note(fault)
        try:
            await isolation.each(await rows.keys_with_room(), admit, _pass_over)
        except Fault as fault:
            isolation.note(fault)
        await asyncio.sleep(_EVERY_S)


async def _pass_over(key: Key, error: Exception) -> None:
    """Skip the key: its runs wait for the next round."""
    tenant, scope, _ = key
    get_logger("flow").error("key_passed_over", tenant=tenant, scope=scope, detail=failure_text(error))
