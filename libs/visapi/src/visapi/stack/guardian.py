"""Ends the processes of a stack whose supervisor died without stopping them, a `kill -9` included.

A program of its own, standard library only. The supervisor holds the other end of standard input: it
writes one line for each process that it starts and ends, and the end of the file without a farewell means
that it died. The kernel has asked every process to stop then (`PR_SET_PDEATHSIG`); a process that hangs or
spins does not hear that, so whatever is left after a grace is killed, grandchildren included. PostgreSQL
is given longer, so that it can write its checkpoint; a killed one recovers from its log at the next start.

Processes are found by the mark in their environment, and by their descent where they have an environment of
their own (Linux); elsewhere by the lines alone.
"""

import os
import signal
import sys
import time
from pathlib import Path

MARK = "STACK_MEMBER"
FAREWELL = "farewell"
GRACE_S = 5.0
PATIENT_GRACE_S = 20.0
_POLL_S = 0.1
_PROC = Path("/proc")
_START = 19
"""Place of the start time in `/proc/<pid>/stat`, counted behind the name."""


def main(mark: str) -> None:
    children: dict[int, bool] = {}
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == FAREWELL:
            return
        if verb == "forget":
            children.pop(int(rest), None)
        elif verb in {"watch", "patient"}:
            children[int(rest)] = verb == "patient"
    patient = {pid for pid, waits in children.items() if waits}
    _end(mark, set(children) - patient, patient)


def _end(mark: str, children: set[int], patient: set[int]) -> None:
    family = _descendants(children)
    for pid in children:
        _signal(pid, signal.SIGTERM)
    began = time.monotonic()
    while time.monotonic() - began < GRACE_S and _left(mark, children, spare=patient):
        time.sleep(_POLL_S)
    for pid, start in family.items():
        if _stat(pid)[_START:] == start:
            _signal(pid, signal.SIGKILL)
    while left := _left(mark, children, spare=patient):
        _kill(left)
        time.sleep(_POLL_S)
    while time.monotonic() - began < PATIENT_GRACE_S and _left(mark, patient, spare=set()):
        time.sleep(_POLL_S)
    while left := _left(mark, patient, spare=set()):
        _kill(left)
        time.sleep(_POLL_S)


def _left(mark: str, groups: set[int], *, spare: set[int]) -> set[int]:
    """Processes that still run: those that bear the mark, but for `spare` and what these have started."""
    if not _PROC.joinpath("self", "environ").exists():
        return {pid for pid in groups if _runs(pid)}
    wanted = f"{MARK}={mark}".encode()
    marked = {pid for pid in _pids() if wanted in _environment(pid)}
    return {pid for pid in marked if pid not in spare and _parent(pid) not in spare}


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    """Empty for a process that ended, or that belongs to somebody else."""
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _descendants(roots: set[int]) -> dict[int, list[str]]:
    """What these processes have started, and those in turn, each with when it was started."""
    if not _PROC.joinpath("self", "stat").exists():
        return {}
    parents = {pid: _parent(pid) for pid in _pids()}
    found: dict[int, list[str]] = {}
    fresh = set(roots)
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh and pid not in found}
        found |= {pid: _stat(pid)[_START:] for pid in fresh}
    return found


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[str]:
    """State, parent, …, and when it was started as the last one; nothing for a process that ended."""
    try:
        return (
            (_PROC / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[: _START + 1]
        )
    except OSError:
        return []


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _kill(pids: set[int]) -> None:
    for pid in pids:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        # It ended meanwhile.
        return


if __name__ == "__main__":
    main(sys.argv[1])
