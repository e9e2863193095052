"""History items with their large values, from rows and the artifact store."""

import asyncio

from visapi_common.core.errors import PermanentFault, ProblemError
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.runs.reading.rules.history_items import StoredItem, whole, without
from visapi_gateway.runs.reading.service import Unpack

AT_ONCE = 8

_log = get_logger("history")


class WholeItems:
    """See the module's docstring. A lost value becomes null, so that the rest of the history is shown."""

    def __init__(self, unpack: Unpack) -> None:
        self._unpack = unpack
        self._room = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, tenant: str, item: StoredItem) -> bytes:
        """The item's JSON. Raises `TransientFault`."""
        if not item.large:
            return item.text
        try:
            async with self._room:
                values = [await self._unpack(tenant, large.payload) for large in item.large]
            return whole(item, values)
        except (PermanentFault, ProblemError, ValueError) as fault:
            _log.warning("value_lost", tenant=tenant, seq=item.seq, detail=str(fault))
            return without(item)
