"""An engine process for simulations: started when one is asked for, ended when none was for a while."""

import asyncio

import msgspec

from visapi_common.core.errors import TransientFault
from visapi_engine.process.engine_process import EngineProcess, ProcessLost, start_process
from visapi_engine.process.protocol import Budget, Limits, Simulate, Simulated

IDLE_S = 60.0
WAITING_MAX = 8
"""Simulations that wait for their turn; more are refused, so that none waits for long."""


class SimulationLost(Exception):
    """The simulation has no answer; the text says why."""


class Simulator:
    """One simulation at a time, each under the limits of an engine process."""

    def __init__(self, limits: Limits | None = None, *, idle_s: float = IDLE_S) -> None:
        self._limits = limits or Limits()
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: EngineProcess | None = None
        self._idle: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process that is kept, if one is."""
        return None if self._process is None else self._process.pid

    async def __call__(self, wanted: Simulate) -> bytes:
        """A `Simulation` as JSON. Raises `SimulationLost`, and `TransientFault` when too many wait."""
        if self._waiting >= WAITING_MAX:
            raise TransientFault("too many simulations wait for their turn", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turn:
                done = await self._twice(wanted)
        finally:
            self._waiting -= 1
        if done.refused is not None:
            raise SimulationLost(done.refused)
        return done.body

    async def close(self) -> None:
        """End the process, if there is one. No simulation may be under way."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        await self._end()

    async def _twice(self, wanted: Simulate) -> Simulated:
        """A simulation that ended its process is carried out again with each expression on its own."""
        try:
            return await self._run(wanted)
        except ProcessLost as lost:
            if not lost.by_itself:
                raise SimulationLost(_reason_of(lost)) from lost
        budget = Budget(self._limits.run_cpu_ms, self._limits.cpu_ms_per_mib)
        try:
            return await self._run(msgspec.structs.replace(wanted, budget=budget, guarded=True))
        except ProcessLost as lost:
            raise SimulationLost(_reason_of(lost)) from lost

    async def _run(self, wanted: Simulate) -> Simulated:
        """Raises `ProcessLost`, and `TransientFault` when no process can be had."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        try:
            if self._process is None or not self._process.alive:
                self._process = await start_process(self._limits)
        except ProcessLost as lost:
            raise TransientFault(f"no engine process could be started: {lost.how}") from lost
        whole = False
        try:
            done = await self._process.simulate(wanted)
            whole = True
        finally:
            if not whole:
                await self._end()
        self._idle = asyncio.create_task(self._end_when_idle())
        return done

    async def _end_when_idle(self) -> None:
        await asyncio.sleep(self._idle_s)
        async with self._turn:
            self._idle = None
            await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.end()


def _reason_of(lost: ProcessLost) -> str:
    if lost.hung:
        return f"it takes too long ({lost.how}); give it less to do"
    return f"{lost.how}; an expression that never ends, or needs too much memory?"
