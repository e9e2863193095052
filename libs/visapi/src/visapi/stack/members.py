"""The processes of a stack, known by a mark in their environment, and what a dead stack left of them."""

import contextlib
import secrets
import signal
import time
from pathlib import Path

import psutil

from visapi.stack.guardian import MARK

__all__ = ["MARK", "end_leftovers", "mark_of", "marked", "new_mark", "remove_lock_of_dead"]

_POSTGRES_S = 20.0
_KILL_S = 5.0
_REAPED_S = 3.0
"""How long the first process of the machine may take to reap a postmaster."""


def mark_of(process: psutil.Process) -> str | None:
    """`None` also for a process that ended or that belongs to somebody else."""
    try:
        return process.environ().get(MARK)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
        return None


def new_mark(stack: str) -> str:
    """The mark of one life of a stack: the guardian of an earlier life must not end a later one."""
    return f"{stack}.{secrets.token_hex(8)}"


def marked(stack: str) -> list[psutil.Process]:
    """The processes of all lives of a stack."""
    return [process for process in psutil.process_iter() if (mark_of(process) or "").startswith(f"{stack}.")]


def end_leftovers(stack: str) -> int:
    """End what an earlier supervisor of this data directory left running; how many processes that were.

    PostgreSQL is asked for its fast shutdown and waited for; the others are killed. Only for the holder
    of the data directory's lock.
    """
    found = marked(stack)
    masters = [process for process in found if _is_postmaster(process)]
    clusters = {master: _cluster_of(master) for master in masters}
    families = {child.pid for master in masters for child in _children(master)}
    others = [process for process in found if process not in masters and process.pid not in families]
    for process in {*others, *(child for other in others for child in _children(other))}:
        if process not in masters and process.pid not in families:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    for master in masters:
        with contextlib.suppress(psutil.NoSuchProcess):
            master.send_signal(signal.SIGINT)
    psutil.wait_procs(masters, timeout=_POSTGRES_S)
    deadline = time.monotonic() + _KILL_S
    while (left := marked(stack)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)
    _, unreaped = psutil.wait_procs(masters, timeout=_REAPED_S)
    for master in unreaped:
        remove_lock_of_dead(master, clusters[master])
    return len(found)


def _cluster_of(master: psutil.Process) -> Path | None:
    """The data directory of a postmaster."""
    try:
        words = master.cmdline()
        return Path(words[words.index("-D") + 1])
    except (psutil.Error, ValueError, IndexError):
        return None


def remove_lock_of_dead(master: psutil.Process, cluster: Path | None) -> None:
    """Remove the lock file of a postmaster that has ended and that nobody reaps: PostgreSQL would take it for
    one that runs, and would not start.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        if cluster is not None and master.status() == psutil.STATUS_ZOMBIE:
            (cluster / "postmaster.pid").unlink(missing_ok=True)


def _is_postmaster(process: psutil.Process) -> bool:
    try:
        return "-D" in process.cmdline() and process.name().startswith("postgres")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
