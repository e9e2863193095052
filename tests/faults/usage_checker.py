"""What tenants used is counted with each fact: after any fault the counts are those of the rows."""

from collections.abc import Sequence

import asyncpg

from kit.orchestration import TENANT
from kit.usage_rows import counted, drift, present


async def usage_drift(ledger_url: str) -> Sequence[str]:
    """What does not agree, once everything is quiet; runs and counts are read in one snapshot."""
    ledger = await asyncpg.connect(ledger_url)
    try:
        async with ledger.transaction(isolation="repeatable_read", readonly=True):
            return drift(await counted(ledger, TENANT), await present(ledger, TENANT))
    finally:
        await ledger.close()
