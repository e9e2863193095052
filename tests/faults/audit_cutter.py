"""One look of the audit's retention, as a process that can be killed: `python -m faults.audit_cutter URL FOLDER`."""

import asyncio
import sys
from pathlib import Path

from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.adapters.pool import open_pool
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.audit.retention import AuditRetention
from visapi_gateway.audit.store import PgAuditCuts

KEEP_DAYS = 400


async def cut(url: str, exports: Path) -> None:
    pool = await open_pool(url, size=2, application="gateway")
    try:
        store = ArtifactStore.open(exports.as_uri())
        assert await AuditRetention(PgAuditCuts(pool), store, KEEP_DAYS, open_metrics()).once()
    finally:
        await pool.close()


if __name__ == "__main__":
    asyncio.run(cut(sys.argv[1], Path(sys.argv[2])))
