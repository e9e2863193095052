"""A restore of the embedded PostgreSQL: puts a copy in place, replays the log, and checks the result."""

import asyncio
import subprocess
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from visapi.admin.databases import OWNER
from visapi.stack import postgres
from visapi.stack.backups import BackupFolder, Target, forget_orders
from visapi.stack.data_directory import DataDirectory
from visapi.stack.ports import Reservation
from visapi.stack.postgres import PostgresFailedError
from visapi.stack.processes import ProcessSpec, spawn, stop, tail

_LOOK_S = 0.1

T = TypeVar("T")


async def restore(
    data: DataDirectory, folder: BackupFolder, target: Target, look: Callable[[str], Coroutine[Any, Any, T]]
) -> T:
    """Restore the cluster of a stack that does not run, and give its owner's URL to `look` before it stops
    again. The caller holds the data directory. Raises `PostgresFailedError`.
    """
    folder.restore(data.root, target)
    ports = Reservation()
    try:
        server = postgres.prepare(
            data.root, port=ports.any(), passwords=data.secrets().postgres, log=data.log("postgres")
        )
        spec = server.spec()
        process = spawn(spec)
        try:
            await _replayed(process, spec)
            return await look(server.url(OWNER))
        finally:
            await asyncio.to_thread(stop, process, spec)
            forget_orders(server.cluster)
    finally:
        ports.release()


async def _replayed(process: subprocess.Popen[bytes], spec: ProcessSpec) -> None:
    """The server accepts no connection before it has replayed the log, which may take hours or fail."""
    while not await spec.ready():
        if process.poll() is not None:
            raise PostgresFailedError(
                f"PostgreSQL ended during the restore; {spec.log} ends:\n{tail(spec.log)}"
            )
        await asyncio.sleep(_LOOK_S)
