"""Keeps a set of processes running: starts, watches, restarts with backoff, stops in order.

One task per process. It must run in the main thread (see `processes`). Whatever a dead process
leaves behind is ended before its successor starts, so that no two generations overlap.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum

import msgspec
import psutil

from visapi.stack.processes import ProcessSpec, adopt_orphans, signal_group, spawn, tail
from visapi.stack.restarts import Record, after_death, hopeless

_READY_POLL_S = 0.05
_READY_TIMEOUT_S = 60.0
_EXIT_POLL_S = 0.2
_ORPHAN_ROUNDS = 8
_ORPHAN_PAUSE_S = 0.02
_MARK = "STACK_MEMBER"
"""An environment variable that children inherit; not `VISAPI_…`, which services would refuse."""


class ProcessState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    """It died and is started again after a pause."""
    STOPPING = "stopping"
    STOPPED = "stopped"


class ProcessView(msgspec.Struct, frozen=True):
    """One line of `visapi status`."""

    name: str
    pid: int | None
    state: ProcessState
    restarts: int
    ports: dict[str, int]


class Notice(msgspec.Struct, frozen=True):
    """Something a person watching the stack wants to read. `trouble` marks what should not happen."""

    process: str
    text: str
    trouble: bool = False


class StartFailedError(Exception):
    """A process did not become ready; the message carries the end of its log."""


class Supervisor:
    """See the module's docstring. `notify` hears notices, `changed` every change of the table."""

    def __init__(self, notify: Callable[[Notice], None], changed: Callable[[], None]) -> None:
        self._notify = notify
        self._changed = changed
        self._children: dict[str, _Child] = {}
        self._mark = secrets.token_hex(8)
        adopt_orphans()

    async def start(self, specs: Collection[ProcessSpec]) -> None:
        """Start processes side by side and return when all serve. Raises `StartFailedError`."""
        children = [_Child(spec, self) for spec in specs]
        for child in children:
            self._children[child.spec.name] = child
            child.begin()
        await asyncio.gather(*(child.wait_ready() for child in children))

    async def stop(self, names: Collection[str]) -> None:
        """Stop processes side by side and wait until nothing of them is left; unknown names are fine."""
        children = [self._children[name] for name in names if name in self._children]
        await asyncio.gather(*(child.end() for child in children))
        await self.end_orphans()

    def view(self) -> list[ProcessView]:
        return [child.view() for child in self._children.values()]

    def say(self, process: str, text: str, *, trouble: bool = False) -> None:
        self._notify(Notice(process, text, trouble))

    def update(self) -> None:
        self._changed()

    def kill_all(self) -> None:
        """SIGKILL everything at once, for when stopping in order was refused."""
        for child in self._children.values():
            child.kill()

    async def end_orphans(self) -> None:
        """End what dead processes left behind: adopted children that bear this supervisor's mark."""
        for _ in range(_ORPHAN_ROUNDS):
            known = {child.pid for child in self._children.values()}
            adopted = [child for child in psutil.Process().children() if child.pid not in known]
            orphans = [child for child in adopted if self._marked(child)]
            if not orphans:
                return
            for orphan in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()
            await asyncio.sleep(_ORPHAN_PAUSE_S)
            _collect(orphan.pid for orphan in orphans)

    def reap(self) -> None:
        """Collect adopted children that ended. Only for a process that starts no others by itself:
        whoever waits for such a child elsewhere would miss its exit code.
        """
        known = {child.pid for child in self._children.values()}
        _collect(child.pid for child in psutil.Process().children() if child.pid not in known)

    def launch(self, spec: ProcessSpec) -> subprocess.Popen[bytes]:
        """Start a process whose environment, and that of its children, bears the mark."""
        return spawn(msgspec.structs.replace(spec, env={**spec.env, _MARK: self._mark}))

    def _marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self._mark
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False


class _Child:
    """One process through all its lives."""

    def __init__(self, spec: ProcessSpec, owner: Supervisor) -> None:
        self.spec = spec
        self._owner = owner
        self._record = Record()
        self._state = ProcessState.STARTING
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._given_up: StartFailedError | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def view(self) -> ProcessView:
        return ProcessView(self.spec.name, self.pid, self._state, self._record.restarts, self.spec.ports)

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._live(), name=self.spec.name)

    async def wait_ready(self) -> None:
        assert self._task is not None
        waiter = asyncio.ensure_future(self._ready.wait())
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise self._failed(f"was not ready after {_READY_TIMEOUT_S:.0f} s") from None
        finally:
            waiter.cancel()
        if self._given_up is not None:
            raise self._given_up

    async def _live(self) -> None:
        """Start, watch, restart, until cancelled."""
        began = time.monotonic()
        while True:
            started = time.monotonic()
            self._set(ProcessState.STARTING)
            try:
                self._process = self._owner.launch(self.spec)
            except OSError as error:
                self._given_up = StartFailedError(f"{self.spec.name} cannot be started: {error}")
                return
            self._set(ProcessState.STARTING)
            code = await self._watch(self._process, since=began)
            await self._clear(self._process)
            self._record, delay = after_death(self._record, alive_s=time.monotonic() - started)
            if not self._ready.is_set() and hopeless(self._record, code):
                self._given_up = self._failed(
                    f"{_ending(code)} at its start, {_times(self._record.quick_deaths)}"
                )
                return
            self._set(ProcessState.WAITING)
            self._owner.say(
                self.spec.name, f"{_ending(code)}; starting it again in {delay:.1f} s", trouble=True
            )
            await asyncio.sleep(delay)
            began = time.monotonic()

    async def _watch(self, process: subprocess.Popen[bytes], *, since: float) -> int:
        """Wait until the process ends, reporting when it serves."""
        exited = asyncio.ensure_future(_exit_of(process))
        try:
            while not exited.done():
                if await self.spec.ready():
                    self._ready.set()
                    self._set(ProcessState.READY)
                    self._owner.say(self.spec.name, f"ready after {time.monotonic() - since:.1f} s")
                    break
                await asyncio.wait({exited}, timeout=_READY_POLL_S)
            return await exited
        finally:
            exited.cancel()

    async def _clear(self, process: subprocess.Popen[bytes]) -> None:
        signal_group(process, signal.SIGKILL)
        self._process = None
        await self._owner.end_orphans()

    async def end(self) -> None:
        """Ask it to stop, wait, kill what does not."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        process = self._process
        if process is not None:
            self._set(ProcessState.STOPPING)
            if process.poll() is None:
                process.send_signal(self.spec.stop_signal)
                try:
                    async with asyncio.timeout(self.spec.stop_s):
                        await _exit_of(process)
                except TimeoutError:
                    self._owner.say(
                        self.spec.name, f"did not stop in {self.spec.stop_s:.0f} s; killed", trouble=True
                    )
            signal_group(process, signal.SIGKILL)
            await _exit_of(process)
            self._process = None
        self._set(ProcessState.STOPPED)

    def kill(self) -> None:
        if self._process is not None:
            signal_group(self._process, signal.SIGKILL)

    def _set(self, state: ProcessState) -> None:
        self._state = state
        self._owner.update()

    def _failed(self, what: str) -> StartFailedError:
        return StartFailedError(f"{self.spec.name} {what}; {self.spec.log} ends:\n{tail(self.spec.log)}")


def _collect(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


async def _exit_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end without a thread: by pidfd where the system has it, else by polling."""
    if process.poll() is None and hasattr(os, "pidfd_open"):
        await _pidfd_readable(process.pid)
    while (code := process.poll()) is None:  # noqa: ASYNC110 (nobody could set an event)
        await asyncio.sleep(_EXIT_POLL_S)
    return code


async def _pidfd_readable(pid: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
