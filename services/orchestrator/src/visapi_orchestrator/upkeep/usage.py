"""Adds up what tenants use, by day and workflow.

Each fact adds a row in its own transaction; adding up moves these rows and never counts anew, so that a
process that dies at any moment counts nothing twice and loses nothing.
"""

import asyncio
from typing import Protocol

from visapi_common.runtime.isolation import Isolation

LIMIT = 5000
"""Rows that are added up in one transaction."""
_EVERY_S = 5.0
_MORE_S = 0.05


class UsageRows(Protocol):
    async def fold(self, limit: int) -> int:
        """Add up some rows; return the number."""
        ...


async def keep_adding_up(rows: UsageRows, isolation: Isolation) -> None:
    """Every few seconds, until cancelled."""
    while True:
        number = 0
        try:
            number = await rows.fold(LIMIT)
        except Exception as error:  # noqa: BLE001 (the rows wait for the next look)
            isolation.note(error)
        await asyncio.sleep(_MORE_S if number == LIMIT else _EVERY_S)
