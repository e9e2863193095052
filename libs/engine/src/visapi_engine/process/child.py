"""The engine process: `python -I -m visapi_engine.process.child`, its socket as standard input.

It has an empty environment, no file but the socket, bounded memory, and a budget of CPU time per run that the
kernel enforces: `SIGPROF` ends the process, even inside jq. It reads a message, answers it, reads the next. A
bug ends it too, after it has told the parent where the bug is.
"""

import argparse
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import TracebackType

import msgspec

from visapi_common.contracts.formats import write_as
from visapi_engine.expressions.evaluate import Evaluator, build_evaluator
from visapi_engine.machine.plan import Plan, make_plan
from visapi_engine.model.program import decode_program
from visapi_engine.process.fold import fold
from visapi_engine.process.guarded import FILES_MAX, Guard
from visapi_engine.process.progress import Progress
from visapi_engine.process.protocol import (
    HEAVY_S,
    Alive,
    Answer,
    AnswerBatch,
    Batch,
    Crashed,
    Done,
    Down,
    Load,
    Loaded,
    Ready,
    Simulate,
    Simulated,
    Up,
)
from visapi_engine.process.simulating import simulated

FLUSH_BYTES = 64 * 1024
FLUSH_S = 0.005
"""Answers are collected for at most this long: one message per answer would wake the parent each time."""

COLLECT_EVERY = 64
"""Batches between two garbage collections, made after a batch is answered, never within one."""


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--memory", type=int, required=True, help="bytes")
    arguments.add_argument("--cpu-ms", type=int, required=True, help="CPU time of a simulation's transition")
    arguments.add_argument("--progress", type=int, required=True, help="file to tell in which work is begun")
    arguments.add_argument("--nice", type=int, required=True)
    arguments.add_argument("--writes", required=True, help="the release whose formats are written")
    given = arguments.parse_args()
    os.nice(given.nice)
    write_as(given.writes)
    progress = Progress.from_descriptor(given.progress)
    wire = _Wire(socket.socket(fileno=0))
    sys.excepthook = wire.crashed
    _confine(given.memory)
    engine = _Engine(wire, Guard(given.memory, lambda: wire.send(Alive())), progress, given.cpu_ms / 1000)
    gc.collect()
    gc.freeze()
    gc.disable()
    wire.send(Ready())
    while (message := wire.receive()) is not None:
        engine.take(message)


def _confine(memory_bytes: int) -> None:
    """Everything is imported by now: no new file, no child, no core dump, no more memory than this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, 2 * memory_bytes))
    # A guarded batch forks, each fork under limits of its own; otherwise there is nothing to start or open.
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (0, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, FILES_MAX))


class _Engine:
    """The loaded programs, and the loop over a batch."""

    def __init__(self, wire: "_Wire", guard: Guard, progress: Progress, cpu_s: float) -> None:
        self._wire = wire
        self._progress = progress
        self._guard = guard
        self._cpu_s = cpu_s
        self._programs: dict[str, tuple[Plan, Evaluator]] = {}
        self._batches = 0

    def take(self, message: Down) -> None:
        match message:
            case Load():
                self._wire.send(self._load(message))
            case Batch():
                self._run(message)
            case Simulate():
                self._wire.send(self._simulate(message))

    def _load(self, message: Load) -> Loaded:
        try:
            program = decode_program(message.body)
            self._programs[message.hash] = (make_plan(program), build_evaluator(program, self._guard))
        except (msgspec.DecodeError, ValueError, KeyError) as unreadable:
            return Loaded(message.hash, refused=f"{type(unreadable).__name__}: {unreadable}")
        gc.freeze()
        return Loaded(message.hash)

    def _simulate(self, message: Simulate) -> Simulated:
        """Each transition has the CPU time of a run's second chance."""
        self._guard.guard(message.budget if message.guarded else None)
        done = simulated(message, self._guard, self._begin_transition)
        self._guard.guard(None)
        signal.setitimer(signal.ITIMER_PROF, 0)
        gc.collect()
        return done

    def _begin_transition(self) -> None:
        self._guard.begin()
        signal.setitimer(signal.ITIMER_PROF, self._cpu_s)

    def _run(self, batch: Batch) -> None:
        waiting = _Waiting(self._wire.send)
        self._guard.guard(batch.budget if batch.guarded else None)
        clock = _Clock()
        for number, work in enumerate(batch.works):
            self._progress.begin(number)
            plan, evaluate = self._programs[work.program]
            self._guard.begin()
            signal.setitimer(signal.ITIMER_PROF, batch.budget.seconds(work.size))
            answer = fold(plan, evaluate, work)
            cpu_ms = clock.heavy_ms()
            if cpu_ms or self._guard.overruns:
                answer = msgspec.structs.replace(answer, overruns=self._guard.overruns, cpu_ms=cpu_ms)
            waiting.add(answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._progress.idle()
        self._guard.guard(None)
        # One write, so that the parent wakes once.
        self._wire.send(*waiting.rest(), Done())
        self._batches += 1
        if self._batches % COLLECT_EVERY == 0:
            gc.collect()


class _Clock:
    """Measures the CPU time of each work. Reading it costs a system call, so it is read only when the wall
    clock, which is cheap to read, shows that a work took long.
    """

    def __init__(self) -> None:
        self._asked_cpu_s = time.process_time()
        self._asked_s = self._began_s = time.perf_counter()

    def heavy_ms(self) -> int:
        """CPU time of the work that ended now, where it is heavy, else 0."""
        now_s = time.perf_counter()
        began_s, self._began_s = self._began_s, now_s
        if now_s - began_s <= HEAVY_S:
            return 0
        cpu_s = time.process_time()
        # The works since the last reading have used no more CPU time than wall-clock time.
        took_s = cpu_s - self._asked_cpu_s - (began_s - self._asked_s)
        self._asked_cpu_s, self._asked_s = cpu_s, now_s
        return round(took_s * 1000) if took_s > HEAVY_S else 0


class _Waiting:
    """Answers that wait to be sent together, within bounds."""

    def __init__(self, send: Callable[[Up], None]) -> None:
        self._send = send
        self._answers: list[Answer] = []
        self._bytes = 0
        self._since = time.monotonic()

    def add(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._bytes += len(answer.state) + len(answer.items_json)
        if self._bytes >= FLUSH_BYTES or time.monotonic() - self._since >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        for answers in self.rest():
            self._send(answers)
        self._answers = []
        self._bytes = 0
        self._since = time.monotonic()

    def rest(self) -> list[AnswerBatch]:
        """The waiting answers, as messages to send."""
        return [AnswerBatch(self._answers)] if self._answers else []


class _Wire:
    """Length-prefixed msgpack over the socket, blocking."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb", buffering=256 * 1024)
        self._decoder = msgspec.msgpack.Decoder(Down)
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray(4)

    def receive(self) -> Down | None:
        """The next message; None when the parent has gone."""
        head = self._stream.read(4)
        if len(head) < 4:
            return None
        body = self._stream.read(int.from_bytes(head, "big"))
        return self._decoder.decode(body)

    def send(self, *messages: Up) -> None:
        del self._buffer[:]
        for message in messages:
            start = len(self._buffer)
            self._buffer += bytes(4)
            self._encoder.encode_into(message, self._buffer, start + 4)
            self._buffer[start : start + 4] = (len(self._buffer) - start - 4).to_bytes(4, "big")
        self._connection.sendall(self._buffer)

    def crashed(self, kind: type[BaseException], _: BaseException, trace: TracebackType | None) -> None:
        """Where a bug occurred, without the exception's message, which may quote a run's data."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        self.send(Crashed(f"{kind.__name__}{where}"))


if __name__ == "__main__":
    main()
