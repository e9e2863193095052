"""One engine process, as its parent uses it: started, given work, read, and ended when it takes too long."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from visapi_common.contracts.formats import written
from visapi_common.runtime.child_stream import ChildStream
from visapi_engine.process.progress import Progress
from visapi_engine.process.protocol import (
    Alive,
    Answer,
    AnswerBatch,
    Batch,
    Budget,
    Crashed,
    Done,
    Down,
    Limits,
    Load,
    Loaded,
    Ready,
    Simulate,
    Simulated,
    Up,
    Work,
)

_MODULE = "visapi_engine.process.child"
_DYING_S = 1.0
_WALL_PER_CPU = 4
"""How many times the CPU time that its size allows large work may take on the wall clock."""
_MIB = 1024 * 1024
_EXTERNAL = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class ProcessLost(Exception):
    """The process ended, or was ended, before it answered.

    `by_itself` when its work is the cause; `hung` when it did not even use CPU time.
    """

    def __init__(self, how: str, *, by_itself: bool = False, hung: bool = False) -> None:
        super().__init__(how)
        self.how = how
        self.by_itself = by_itself
        self.hung = hung
        self.work: Work | None = None
        """The work that it had begun."""


class EngineProcess:
    """A child with a socket. One batch at a time; after `ProcessLost` only `end` may be called."""

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        stream: ChildStream[Down, Up],
        limits: Limits,
        progress: Progress,
    ) -> None:
        self._child = child
        self._stream = stream
        self._limits = limits
        self._progress = progress
        self._cpu_ms = limits.run_cpu_ms
        self.programs: set[str] = set()
        self.refused: dict[str, str] = {}

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.returncode is None

    async def warm_up(self) -> None:
        """Wait until it is ready. Raises `ProcessLost`; a caller that gives up leaves no process behind."""
        try:
            message = await self._next(self._limits.start_wall_ms)
        except asyncio.CancelledError:
            await self.end()
            raise
        assert isinstance(message, Ready), f"expected Ready, got {type(message).__name__}"

    async def load(self, program: str, body: bytes) -> None:
        """Send a program; one that it refuses is remembered with the reason. Raises `ProcessLost`."""
        self._stream.send(Load(program, body))
        message = await self._next(self._limits.load_wall_ms)
        assert isinstance(message, Loaded), f"expected Loaded, got {type(message).__name__}"
        self.programs.add(program)
        if message.refused is not None:
            self.refused[program] = message.refused

    async def run(
        self, works: Sequence[Work], budget: Budget, *, guarded: bool, patience: int = 1
    ) -> AsyncGenerator[Answer, None]:
        """Answers in the order of the work. Each must come within the CPU budget, and within `patience` times
        the usual limit of wall-clock time. Raises `ProcessLost`; the remaining work has no answer then.
        """
        self._progress.idle()
        largest = max(work.size for work in works)
        self._cpu_ms = round(budget.seconds(largest) * 1000)
        usual_ms = patience * self._limits.run_wall_ms
        wall_ms = usual_ms + _WALL_PER_CPU * round(budget.cpu_ms_per_mib * largest / _MIB)
        self._stream.send(Batch(list(works), budget, guarded))
        while True:
            try:
                message = await self._next(wall_ms)
            except ProcessLost as lost:
                at = self._progress.at
                lost.work = None if at is None else works[at]
                raise
            match message:
                case Alive():
                    continue
                case AnswerBatch():
                    for answer in message.answers:
                        yield answer
                case Done():
                    return
                case _:
                    raise AssertionError(f"unexpected {type(message).__name__} in a batch")

    async def simulate(self, wanted: Simulate) -> Simulated:
        """Carry out a simulation. Raises `ProcessLost`."""
        self._stream.send(wanted)
        until = asyncio.get_running_loop().time() + self._limits.simulate_wall_ms / 1000
        message: Up = Alive()
        while isinstance(message, Alive):
            left_ms = round((until - asyncio.get_running_loop().time()) * 1000)
            message = await self._next(max(1, left_ms))
        assert isinstance(message, Simulated), f"expected Simulated, got {type(message).__name__}"
        return message

    async def end(self) -> None:
        """Kill the process and wait until it has exited."""
        self._stream.close()
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()

    async def _await_exit(self) -> None:
        """Let a process whose socket broke end by itself: killing a process that is ending hides its exit
        status from the event loop, which then reports 255.
        """
        try:
            async with asyncio.timeout(_DYING_S):
                await self._child.wait()
        except TimeoutError:
            return

    async def _next(self, wall_ms: int) -> Ready | Loaded | AnswerBatch | Alive | Done | Simulated:
        try:
            async with asyncio.timeout(wall_ms / 1000):
                message = await self._stream.receive()
        except TimeoutError as late:
            await self.end()
            raise ProcessLost(f"hung for {wall_ms} ms", hung=True) from late
        except (EOFError, OSError) as gone:
            raise await self._autopsy() from gone
        if isinstance(message, Crashed):
            await self.end()
            raise ProcessLost(f"died of {message.where}", by_itself=True)
        return message

    async def _autopsy(self) -> ProcessLost:
        await self._await_exit()
        await self.end()
        code = self._child.returncode
        assert code is not None
        if code >= 0:
            return ProcessLost(f"died with code {code}", by_itself=True)
        if -code == signal.SIGPROF:
            return ProcessLost(f"deadline: over {self._cpu_ms} ms of CPU time", by_itself=True)
        name = signal.Signals(-code).name
        return ProcessLost(f"died of {name}", by_itself=-code not in _EXTERNAL)


async def start_process(limits: Limits, nice: int = 0) -> EngineProcess:
    """Start a process and wait until it is warm. Raises `ProcessLost`."""
    ours, theirs = socket.socketpair()
    progress, handle = Progress.open()
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", _MODULE,
            "--memory", str(limits.memory_bytes), "--cpu-ms", str(limits.run_cpu_ms),
            "--progress", str(handle), "--nice", str(nice), "--writes", written().release, pass_fds=[handle],
            stdin=theirs.fileno(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env={}, cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as failed:
        ours.close()
        raise ProcessLost(f"could not be started: {failed}") from failed
    finally:
        theirs.close()
        os.close(handle)
    process = EngineProcess(child, await ChildStream[Down, Up].over(ours, Up), limits, progress)
    await process.warm_up()
    return process
