"""Starts the guardian (see `guardian`) and tells it which processes there are."""

import contextlib
import subprocess
import sys

from visapi.stack import guardian


class GuardianProcess:
    """Started with the first process, dismissed after the last one."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it when it does not run. A session of its own: no signal to the terminal reaches it."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, self._mark],
            env={},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, pid: int, *, patient: bool) -> None:
        """A process was started; a patient one may take longer to end."""
        self._say(f"{'patient' if patient else 'watch'} {pid}")

    def forget(self, pid: int) -> None:
        """The process is gone, and nothing of it is left."""
        self._say(f"forget {pid}")

    def dismiss(self) -> None:
        """Everything was stopped."""
        process = self._process
        if process is None or process.stdin is None:
            return
        self._say(guardian.FAREWELL)
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2.0)
        self._process = None

    def _say(self, line: str) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(OSError, ValueError):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
