"""Evaluates each expression in a fork of the engine process, with a budget of its own.

libjq cannot be interrupted, and ends its process when memory runs out. In a fork this ends only the
evaluation: the expression fails like any other, and a `try` can catch the error. A fork costs a few
milliseconds, so only runs that have ended an engine process, or whose program did so lately, are evaluated in
forks.
"""

import os
import resource
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_engine.expressions.scope import Evaluation, ExpressionError, OverBudget
from visapi_engine.process.protocol import Budget

OVERRUNS_MAX = 4
"""Expressions of one fold that may exceed their budget; then libjq evaluates no further one of the fold."""
MEMORY_PER_BYTE = 24
"""Bytes of memory that each byte of the input adds to what an expression may use."""
TOTAL = 5
"""The expressions of one fold together may use this many times the budget of one."""
MADE_MAX = 48 * 1024 * 1024
"""Bytes that the expressions of one fold may build."""
_SMALL = 64 * 1024
_WRITING_S = 0.2
"""CPU time for each MiB that is built: it is read, and written into the state and the history."""
_READING_S = 0.05
"""CPU time for each MiB that is handed to libjq."""
_MIB = 1024 * 1024
_ALIVE_S = 0.5
_NICER = 5
"""Added to the nice value of each fork, so that ordinary work goes first."""
_STUCK_S = 60.0
_TRIES = 3
_NOTHING, _VALUE, _FAILED = b"n", b"v", b"f"
_EXTERNAL = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FILES_MAX = 8


class Guard:
    """Runs evaluations: directly, or `guarded` in forks. `alive` is called regularly while one goes on."""

    def __init__(self, memory_bytes: int, alive: Callable[[], None]) -> None:
        self._memory = memory_bytes
        self._alive = alive
        self._budget: Budget | None = None
        self._made = 0
        self._spent_s = 0.0
        self._most_s = 0.0
        self.overruns = 0

    def guard(self, budget: Budget | None) -> None:
        """From now on evaluate in forks with this budget; without a budget in this process."""
        self._budget = budget
        _allow_forks(allowed=budget is not None)

    def begin(self) -> None:
        """A fold begins."""
        self._made = 0
        self._spent_s = self._most_s = 0.0
        self.overruns = 0

    def made(self, size: int) -> None:
        """What is built must also be written, so it gives the fold more CPU time, within bounds."""
        if size < _SMALL:
            return
        self._made += size
        self._alive()
        if self._made > MADE_MAX:
            self.overruns += 1
            what = f"makes more than {MADE_MAX} bytes together with those before it in this step"
            raise OverBudget(f"the expression exceeded its budget: it {what}")
        left_s, _ = signal.setitimer(signal.ITIMER_PROF, 0)
        if left_s:
            signal.setitimer(signal.ITIMER_PROF, left_s + _WRITING_S * size / _MIB)

    @property
    def spent_s(self) -> float:
        """CPU time of the forks of this fold."""
        return self._spent_s

    def __call__(self, size: int, evaluation: Evaluation) -> str | None:
        """As `expressions.scope.Runner`. What it costs is not charged to the CPU time of this process."""
        if self._budget is None:
            return evaluation()
        self._most_s = max(self._most_s, self._budget.seconds(size))
        if self.overruns >= OVERRUNS_MAX or self._spent_s > TOTAL * self._most_s:
            self.overruns += 1
            raise OverBudget("not evaluated: those before it in this step have used up the time of all")
        left_s, _ = signal.setitimer(signal.ITIMER_PROF, 0)
        try:
            return self._apart(self._budget, size, evaluation)
        except OverBudget:
            self.overruns += 1
            raise
        finally:
            signal.setitimer(signal.ITIMER_PROF, max(left_s, 0.001) + _READING_S * size / _MIB)

    def _apart(self, budget: Budget, size: int, evaluation: Evaluation) -> str | None:
        cpu_s = budget.seconds(size)
        memory = min(self._memory + MEMORY_PER_BYTE * size, 2 * self._memory)
        killed = 0
        for _ in range(_TRIES):
            answer, status = self._forked(cpu_s, memory, evaluation)
            if status == 0:
                return _read(answer)
            killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            if killed not in _EXTERNAL:
                break
        if killed == signal.SIGPROF:
            what = f"took more than {cpu_s * 1000:.0f} ms of CPU time"
        else:
            what = f"needs more than {memory // (1024 * 1024)} MiB of memory, or recurses too deeply"
        raise OverBudget(f"the expression exceeded its budget: it {what} (its input has {size} bytes)")

    def _forked(self, cpu_s: float, memory: int, evaluation: Evaluation) -> tuple[bytes, int]:
        """The output of a fork, and its status as `os.waitpid` gives it."""
        ours, theirs = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            # This machine can start no further process: the expression is evaluated in this one.
            os.close(ours)
            os.close(theirs)
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            return _answer(evaluation), 0
        if pid == 0:
            _evaluate(theirs, cpu_s, memory, evaluation)
        os.close(theirs)
        try:
            answer = self._receive(ours, pid)
        finally:
            os.close(ours)
        _, status, used = os.wait4(pid, 0)
        self._spent_s += used.ru_utime + used.ru_stime
        return answer, status

    def _receive(self, pipe: int, pid: int) -> bytes:
        parts: list[bytes] = []
        size, began = 0, time.monotonic()
        while True:
            ready, _, _ = select.select([pipe], [], [], _ALIVE_S)
            if not ready:
                self._alive()
                if time.monotonic() - began > _STUCK_S:
                    os.kill(pid, signal.SIGKILL)
                continue
            part = os.read(pipe, 1024 * 1024)
            if not part:
                return b"".join(parts)
            size += len(part)
            if size <= PAYLOAD_LIMIT + 1:
                parts.append(part)


def _read(answer: bytes) -> str | None:
    kind, text = answer[:1], answer[1:]
    if kind == _FAILED:
        raise ExpressionError(text.decode())
    return text.decode() if kind == _VALUE else None


def _evaluate(pipe: int, cpu_s: float, memory: int, evaluation: Evaluation) -> NoReturn:
    """Everything that a fork does. It never returns, so that no code of its parent runs twice."""
    try:
        os.close(0)
        os.nice(_NICER)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        _allow_forks(allowed=False, forever=True)
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        _write(pipe, _answer(evaluation))
    except BaseException:  # noqa: BLE001 (whatever it is, the parent is told by the status alone)
        os._exit(1)
    os._exit(0)


def _answer(evaluation: Evaluation) -> bytes:
    try:
        text = evaluation()
    except ExpressionError as failed:
        return _FAILED + failed.detail.encode(errors="replace")
    if text is not None and len(text) > PAYLOAD_LIMIT:
        detail = f"the expression makes a value of {len(text)} bytes; allowed are {PAYLOAD_LIMIT}"
        return _FAILED + detail.encode()
    return _NOTHING if text is None else _VALUE + text.encode()


def _write(pipe: int, body: bytes) -> None:
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _allow_forks(*, allowed: bool, forever: bool = False) -> None:
    """Whether this process may have a child and a pipe to it."""
    for limit, usual, more in ((resource.RLIMIT_NPROC, 0, None), (resource.RLIMIT_NOFILE, 3, FILES_MAX)):
        hard = resource.getrlimit(limit)[1]
        soft = usual if not allowed else hard if more is None else min(more, hard)
        resource.setrlimit(limit, (soft, soft if forever else hard))
