"""One supervised process: started, probed, restarted, stopped."""

import asyncio
import os
import signal
import subprocess
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from visapi.stack.log_files import LogFile
from visapi.stack.probes import Health
from visapi.stack.processes import ProcessSpec, signal_group, tail
from visapi.stack.restarts import Record, after_death, hopeless
from visapi.stack.vitals import SILENT_S, Patience, Verdict, Vitals

_START_POLL_S = 0.05
_PROBE_EVERY_S = 1.0
_READY_TIMEOUT_S = 60.0
_EXIT_POLL_S = 0.2
HUNG_GRACE_S = 3.0
"""How long an unresponsive process may take to stop before it is killed."""


class ProcessState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not ready"
    """It runs and was ready before, and says now that it cannot serve, or says nothing."""
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
    detail: str = ""
    """What it lacks to be ready."""


class StartFailedError(Exception):
    """A process did not become ready; the message carries the end of its log."""


class Owner(Protocol):
    """What a child needs of its supervisor."""

    def launch(self, spec: ProcessSpec) -> subprocess.Popen[bytes]: ...
    def say(self, process: str, text: str, *, trouble: bool = False) -> None: ...
    def update(self) -> None: ...
    def gone(self, pid: int) -> None: ...
    def stores_ready(self) -> bool: ...
    async def end_orphans(self) -> None: ...


class Child:
    """See the module's docstring."""

    def __init__(self, spec: ProcessSpec, owner: Owner) -> None:
        self.spec = spec
        self._owner = owner
        self._record = Record()
        self._log = LogFile(spec.log)
        self._state = ProcessState.STARTING
        self._detail = ""
        self._patience = Patience()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._given_up: StartFailedError | None = None
        self._shown_pid: int | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def serves(self) -> bool:
        return self._state is ProcessState.READY

    def view(self) -> ProcessView:
        return ProcessView(
            self.spec.name, self.pid, self._state, self._record.restarts, self.spec.ports, self._detail
        )

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
        """Probe the process until it ends, or end it because it hangs; its exit code."""
        exited = asyncio.ensure_future(exit_of(process))
        vitals = Vitals(time.monotonic(), self._patience)
        try:
            while not exited.done():
                at = time.monotonic()
                health = await self.spec.health()
                if exited.done():
                    break
                self._log.bound(datetime.now(UTC))
                self._show(health, since=since)
                verdict = vitals.judge(at, health, stores_ready=self.spec.store or self._owner.stores_ready())
                if verdict is Verdict.SILENT or (verdict is Verdict.UNREADY and not self.spec.store):
                    await self._end_hung(process, verdict)
                    break
                starting = self._state is ProcessState.STARTING
                await asyncio.wait({exited}, timeout=_START_POLL_S if starting else _PROBE_EVERY_S)
            return await exited
        finally:
            exited.cancel()

    def _show(self, health: Health, *, since: float) -> None:
        """Let the state follow the probe, and tell a person about each change."""
        detail = health.detail if health.answers else "it does not answer"
        if health.ready:
            if self._state is ProcessState.STARTING:
                self._ready.set()
                self._owner.say(self.spec.name, f"ready after {time.monotonic() - since:.1f} s")
            elif self._state is ProcessState.NOT_READY:
                self._owner.say(self.spec.name, "ready again")
            self._set(ProcessState.READY)
        elif self._state is not ProcessState.STARTING and (
            self._state is not ProcessState.NOT_READY or detail != self._detail
        ):
            self._set(ProcessState.NOT_READY, detail)
            self._owner.say(self.spec.name, f"not ready: {detail or 'its probe fails'}", trouble=True)

    async def _end_hung(self, process: subprocess.Popen[bytes], verdict: Verdict) -> None:
        reason = (
            f"does not answer for {SILENT_S:.0f} s" if verdict is Verdict.SILENT else "does not become ready"
        )
        self._owner.say(self.spec.name, f"{reason}; ending it", trouble=True)
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(HUNG_GRACE_S):
                await exit_of(process)
        except TimeoutError:
            signal_group(process, signal.SIGKILL)

    async def _clear(self, process: subprocess.Popen[bytes]) -> None:
        signal_group(process, signal.SIGKILL)
        self._process = None
        self._owner.gone(process.pid)
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
                        await exit_of(process)
                except TimeoutError:
                    self._owner.say(
                        self.spec.name, f"did not stop in {self.spec.stop_s:.0f} s; killed", trouble=True
                    )
            signal_group(process, signal.SIGKILL)
            await exit_of(process)
            self._process = None
            self._owner.gone(process.pid)
        self._set(ProcessState.STOPPED)

    def kill(self) -> None:
        if self._process is not None:
            signal_group(self._process, signal.SIGKILL)

    def _set(self, state: ProcessState, detail: str = "") -> None:
        changed = (state, detail, self.pid) != (self._state, self._detail, self._shown_pid)
        self._state, self._detail, self._shown_pid = state, detail, self.pid
        if changed:
            self._owner.update()

    def _failed(self, what: str) -> StartFailedError:
        return StartFailedError(f"{self.spec.name} {what}; {self.spec.log} ends:\n{tail(self.spec.log)}")


async def exit_of(process: subprocess.Popen[bytes]) -> int:
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
