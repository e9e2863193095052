"""The job server: `python -I -m visapi_common.runtime.bounded_child`, its socket as standard input.

The job server has an empty environment and imports the functions of its service once. It forks for every job:
the fork has one pipe, and limits on memory, CPU and wall time that the kernel enforces; it runs one function
on bytes and exits, so nothing of one tenant's job reaches the next. A long job gets a low priority. The
server never decodes a payload.
"""

import gc
import importlib
import os
import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from visapi_common.contracts.formats import write_as
from visapi_common.runtime.bounded_protocol import (
    Bounds,
    Done,
    Down,
    Ended,
    Kill,
    Ready,
    Run,
    Start,
    Up,
)
from visapi_common.runtime.framing import frame

JobFunction = Callable[[bytes], bytes]

FILES_MAX = 256
GIVE_WAY_AFTER_S = 0.25
GIVE_WAY = 15
"""Niceness of a job that has run for `GIVE_WAY_AFTER_S`."""
_CHUNK = 256 * 1024
_HEAD = 5
"""A result is one byte for its kind, a length of 4 bytes, and its bytes."""
_RESULT, _MEMORY, _BUG = b"r", b"m", b"b"

_REASONS = {
    signal.SIGPROF: "cpu",
    signal.SIGXCPU: "cpu",
    signal.SIGALRM: "wall",
    signal.SIGABRT: "memory",
    signal.SIGKILL: "killed",
}
"""Exit signals of a job that exceeded a limit. Rust libraries abort when an allocation fails."""


class _Job:
    """A running job."""

    def __init__(self, id_: int, pid: int, reader: int, output_max: int) -> None:
        self.id = id_
        self.pid = pid
        self.reader = reader
        self.output_max = output_max
        self.since = time.monotonic()
        self.gives_way = False
        self.unwanted = False
        self.reason = ""
        self.said = bytearray()


class _Server:
    """Reads job orders, forks jobs, and returns their results."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._decoder = msgspec.msgpack.Decoder(Down)
        self._buffer = bytearray()
        self._functions: dict[str, JobFunction] = {}
        self._jobs: dict[int, _Job] = {}

    def serve(self) -> None:
        """Serve until the parent is gone, then end all jobs."""
        while True:
            for key, _ in self._selector.select(self._pause()):
                if key.data is None:
                    if not self._read_orders():
                        self._end_all()
                        return
                else:
                    self._read_result(key.data)
            self._let_give_way()

    def _pause(self) -> float | None:
        young = [job.since for job in self._jobs.values() if not job.gives_way]
        if not young:
            return None
        return max(0.0, min(young) + GIVE_WAY_AFTER_S - time.monotonic())

    def _let_give_way(self) -> None:
        for job in self._jobs.values():
            if not job.gives_way and time.monotonic() - job.since >= GIVE_WAY_AFTER_S:
                job.gives_way = True
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, job.pid, GIVE_WAY)

    def _read_orders(self) -> bool:
        chunk = self._connection.recv(_CHUNK)
        if not chunk:
            return False
        self._buffer += chunk
        while len(self._buffer) >= 4:
            end = 4 + int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < end:
                break
            message = self._decoder.decode(bytes(self._buffer[4:end]))
            del self._buffer[:end]
            self._take(message)
        return True

    def _take(self, message: Down) -> None:
        match message:
            case Start():
                write_as(message.writes)
                self._start(message)
            case Run():
                self._fork(message)
            case Kill(id=id_):
                job = self._jobs.get(id_)
                if job is not None:
                    job.unwanted = True
                    os.kill(job.pid, signal.SIGKILL)

    def _start(self, start: Start) -> None:
        for name in (*start.functions, *start.warm_up):
            module, _, attribute = name.partition(":")
            function = getattr(importlib.import_module(module), attribute)
            if name in start.warm_up:
                function()
            else:
                self._functions[name] = function
        if start.user:
            _become(start.user)
        gc.collect()
        gc.freeze()
        self._say(Ready())

    def _fork(self, run: Run) -> None:
        function = self._functions[run.function]
        base = _address_space()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _work(writer, function, run.payload, run.bounds, base)
        os.close(writer)
        job = _Job(run.id, pid, reader, run.bounds.output_bytes)
        self._jobs[run.id] = job
        self._selector.register(reader, selectors.EVENT_READ, job)

    def _read_result(self, job: _Job) -> None:
        chunk = os.read(job.reader, _CHUNK)
        job.said += chunk
        if len(job.said) > job.output_max + _HEAD:
            job.reason = "output"
            os.kill(job.pid, signal.SIGKILL)
        elif chunk:
            return
        self._selector.unregister(job.reader)
        os.close(job.reader)
        del self._jobs[job.id]
        _, status = os.waitpid(job.pid, 0)
        if not job.unwanted:
            self._say(_verdict(job, status))

    def _end_all(self) -> None:
        for job in self._jobs.values():
            os.kill(job.pid, signal.SIGKILL)
        for job in self._jobs.values():
            os.waitpid(job.pid, 0)

    def _say(self, message: Up) -> None:
        self._connection.sendall(frame(message))


def _verdict(job: _Job, status: int) -> Done | Ended:
    """The result of a fork, or the reason why there is none."""
    if job.reason:
        return Ended(job.id, job.reason)
    kind, body = bytes(job.said[:1]), bytes(job.said[_HEAD:])
    if len(job.said) >= _HEAD and len(body) == int.from_bytes(job.said[1:_HEAD], "big"):
        if kind == _RESULT:
            return Done(job.id, body)
        if kind == _MEMORY:
            return Ended(job.id, "memory")
        return Ended(job.id, "bug", body.decode("utf-8", "replace"))
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Ended(job.id, _REASONS.get(signal.Signals(number), "died"), f"signal {number}")
    return Ended(job.id, "died", f"code {os.waitstatus_to_exitcode(status)}")


def _work(writer: int, function: JobFunction, payload: bytes, bounds: Bounds, base: int) -> NoReturn:
    """In the fork: everything closed but the pipe, limits in force, one function called."""
    os.dup2(writer, 0)
    os.closerange(1, FILES_MAX)
    _confine(bounds, base)
    try:
        kind, body = _RESULT, function(payload)
    except MemoryError:
        kind, body = _MEMORY, b""
    except BaseException as bug:  # noqa: BLE001 (the last frame of the process reports every exception)
        kind, body = _BUG, _where(bug)
    try:
        _write(0, kind + len(body).to_bytes(4, "big"))
        _write(0, body)
    finally:
        os._exit(0)


def _confine(bounds: Bounds, base: int) -> None:
    for number in (signal.SIGPROF, signal.SIGXCPU, signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    cpu_s = bounds.cpu_ms // 1000 + 2
    memory = base + bounds.memory_bytes
    _limit(resource.RLIMIT_CPU, cpu_s)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    if not bounds.forks:
        _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 1 + bounds.files)
    signal.setitimer(signal.ITIMER_REAL, bounds.wall_ms / 1000)
    signal.setitimer(signal.ITIMER_PROF, bounds.cpu_ms / 1000)


def _limit(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))


def _where(bug: BaseException) -> bytes:
    """The place and type of a bug, without its message, which may quote a tenant's data."""
    trace = bug.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(bug).__name__}{where}".encode()


def _address_space() -> int:
    """Bytes of address space that this process has; 0 where /proc does not say."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _become(user: str) -> None:
    import pwd  # noqa: PLC0415 (only under root)

    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)


def _write(descriptor: int, body: bytes) -> None:
    data = memoryview(body)
    while data:
        data = data[os.write(descriptor, data) :]


def main() -> None:
    """Serve the socket that is standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    _Server(socket.socket(fileno=os.dup(0))).serve()


if __name__ == "__main__":
    main()
