"""Start and stop one child process so that it can never outlive the process that started it.

A child gets a process group of its own, only the environment it is given, and (on Linux) a signal
when its parent dies, however the parent dies (`prctl(2)`, PR_SET_PDEATHSIG). Start children from
the main thread only: the kernel watches the thread that forked, not the process.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from visapi.stack.accounts import Account
from visapi.stack.log_files import LogFile
from visapi.stack.probes import Health, Probe

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is. `ready` answers whether it serves; it never raises and takes under 2 s."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    log: Path
    ready: Callable[[], Awaitable[bool]]
    ports: dict[str, int]
    account: Account | None = None
    probe: Probe | None = None
    """How the process is while it runs; without one it is what `ready` says, and is never found to hang."""
    store: bool = False
    """Whether the other processes depend on it."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 12.0
    """How long the child may take to stop before it is killed."""

    async def health(self) -> Health:
        if self.probe is not None:
            return await self.probe()
        return Health(answers=True, ready=await self.ready())


def spawn(spec: ProcessSpec) -> subprocess.Popen[bytes]:
    """Start the child; its output is appended to its log. Raises `OSError` when it cannot start."""
    LogFile(spec.log).begin(datetime.now(UTC))
    account = spec.account
    with spec.log.open("ab") as log:
        return subprocess.Popen(
            spec.argv,
            env=spec.env,
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=_die_with_parent(spec.stop_signal),  # noqa: PLW1509 (prepared before the fork)
        )


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What the child runs between fork and exec; everything it needs is looked up before the fork."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def set_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_signal


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose own parent dies, so that they can be found and ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal what is left of the child's process group; nothing left is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def stop(process: subprocess.Popen[bytes], spec: ProcessSpec) -> None:
    """Stop the child and wait: its own signal first, the whole group by SIGKILL after `stop_s`."""
    if process.poll() is None:
        process.send_signal(spec.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(spec.stop_s)
    signal_group(process, signal.SIGKILL)
    process.wait()


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for error messages."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def wait_for(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Poll until the condition holds; raises `TimeoutError` naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not so after {timeout_s:.0f} s")
        time.sleep(0.02)
