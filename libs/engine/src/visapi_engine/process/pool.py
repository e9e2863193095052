"""Several engine processes with a warm spare one, and one separate process for slow runs.

A batch goes to one process, which takes the works of the tenants in turn. When the process is lost, only the
run that was under way is to blame; the others go to a fresh process at once. The run to blame is put off: it
gets no answer, and the caller asks again with `apart`. Large runs are put off too, and runs that are known to
take long: those of programs whose expressions exceeded their budget, or of which a fold was heavy lately.

Runs that are put off go one by one to a process of lower priority. After an overrun each expression has a
process of its own there (`guarded`), so that exceeding the budget is an ordinary error of the run. A run that
ends its process there as well is abandoned: it faults. A process that hangs or is killed from outside is
caused by the machine and does not count against the run, up to `LOSSES_MAX`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from uuid import UUID

import msgspec

from visapi_common.contracts.foreign import version_of
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.core.errors import TransientFault
from visapi_engine.machine.abandon import abandon
from visapi_engine.machine.state import decode_state
from visapi_engine.process.engine_process import EngineProcess, ProcessLost, start_process
from visapi_engine.process.fold import answer as answer_of
from visapi_engine.process.protocol import Answer, Budget, Limits, Work
from visapi_engine.process.suspects import Suspects

STRIKES_MAX = 2
"""Processes a run may end before it is abandoned."""

NICE = 5
"""The nice value of the process apart: it gets about a third of the CPU time of an ordinary one."""

WALL_SLOW = 5
"""Because of this, how many times longer than others it may take on the wall clock."""

HEAVY_BYTES = 192 * 1024
"""Bytes of history of one fold that delay others when they are written."""

HEAVY_KNOWN_S = 10.0
"""How long the runs of a program are advanced apart after one heavy fold."""

LOSSES_MAX = 5
"""Processes that one run may lose for any reason before it is abandoned: a machine that runs out of memory
ends processes with `SIGKILL`. A run whose processes only hang is not abandoned.
"""

LARGE = 1024 * 1024
"""Work of this many bytes is put off, so that others need not wait for it."""

READABLE_MAX = 10_000
"""Programs known to be readable, by hash, before they are looked at again."""

LoadProgram = Callable[[str], Awaitable[bytes]]
"""Gives the stored bytes of a compiled program by the hex of its hash."""

OnLost = Callable[[str], None]
"""Called with the way in which a process was lost, for logs and counters."""

_RESTART_DELAY_S = 0.5
"""The pause after a failed start."""
_STARTS_AWAITED = 2
"""A caller waits for two starts, so a single start that hangs is no failure."""


class EnginePool:
    """Advances runs in `size` processes at once. `start` and `stop` belong to one task."""

    def __init__(
        self,
        size: int,
        load_program: LoadProgram,
        limits: Limits | None = None,
        *,
        on_lost: OnLost | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._load_program = load_program
        self._on_lost = on_lost or _ignore
        self._turns = asyncio.Semaphore(size)
        self._turns_apart = asyncio.Semaphore(1)
        self._size = size
        self._wanted = asyncio.Semaphore(size + 1)
        # Last in, first out: the process used last has the programs and the warm caches.
        self._warm: asyncio.LifoQueue[EngineProcess] = asyncio.LifoQueue()
        self._group = asyncio.TaskGroup()
        self._keeper: asyncio.Task[None] | None = None
        self._apart: EngineProcess | None = None
        self._readable: set[str] = set()
        self._suspects = Suspects(time.monotonic)
        self._struck = Suspects(time.monotonic)
        self._heavy = Suspects(time.monotonic, HEAVY_KNOWN_S)

    async def start(self) -> None:
        """Start all processes. Raises `TransientFault` when not even one comes up."""
        await self._group.__aenter__()
        self._keeper = self._group.create_task(self._keep_warm())
        self._warm.put_nowait(await self._take())

    async def stop(self) -> None:
        """End all processes. Batches under way must have ended."""
        if self._keeper is not None:
            self._keeper.cancel()
        await self._group.__aexit__(None, None, None)
        while not self._warm.empty():
            await self._warm.get_nowait().end()
        if self._apart is not None:
            await self._apart.end()

    def advance(self, works: Sequence[Work], *, apart: bool = False) -> AsyncGenerator[Answer, None]:
        """One answer for each run, in no promised order; none for a run that is put off, unless `apart`.

        Raises `TransientFault` when no engine process can be had, and whatever `load_program` raises.
        """
        return self._one_by_one(works) if apart else self._together(works)

    async def reads(self, program: str) -> bool:
        """Whether a program, by its hash, has a format that this release reads; a later one may have compiled
        it. Raises whatever `load_program` raises.
        """
        if program not in self._readable:
            if version_of(await self._load_program(program)) > NEWEST.program:
                return False
            if len(self._readable) >= READABLE_MAX:
                self._readable.clear()
            self._readable.add(program)
        return True

    def _is_put_off(self, work: Work) -> bool:
        known = self._suspects.known(work.program) or self._heavy.known(work.program)
        return known or work.size > LARGE

    async def _together(self, works: Sequence[Work]) -> AsyncGenerator[Answer, None]:
        left: list[Work] = _in_turns([work for work in works if not self._is_put_off(work)])
        losses = 0
        while left:
            unanswered: dict[UUID, Work] = {work.run: work for work in left}
            try:
                async with self._turns, aclosing(self._run(left)) as answers:
                    async for answer in answers:
                        self._judge(unanswered.pop(answer.run), answer)
                        yield answer
                return
            except ProcessLost as lost:
                self._on_lost(lost.how)
                guilty = None if lost.work is None else unanswered.pop(lost.work.run, None)
                losses += guilty is None
                if losses >= LOSSES_MAX:
                    raise TransientFault(f"engine processes do not get to work: {lost.how}") from lost
                if guilty is not None and lost.by_itself:
                    self._struck.add(str(guilty.run))
                left = list(unanswered.values())

    async def _one_by_one(self, works: Sequence[Work]) -> AsyncGenerator[Answer, None]:
        late: TransientFault | None = None
        for work in works:
            try:
                async with self._turns_apart, aclosing(self._alone(work)) as answers:
                    async for answer in answers:
                        self._judge(work, answer)
                        yield answer
            except TransientFault as fault:
                late = fault
        if late is not None:
            raise late

    async def _alone(self, work: Work) -> AsyncGenerator[Answer, None]:
        """Advance one run in the process apart, until it is answered or abandoned."""
        strikes, losses = int(self._struck.known(str(work.run))), 0
        while True:
            guarded = strikes > 0 or self._suspects.known(work.program)
            try:
                async with aclosing(self._run([work], guarded=guarded, apart=True)) as answers:
                    async for answer in answers:
                        yield answer
                return
            except ProcessLost as lost:
                self._on_lost(lost.how)
                losses += 1
                strikes += lost.by_itself
                if lost.hung and losses >= LOSSES_MAX:
                    raise TransientFault(f"engine processes do not get to work: {lost.how}") from lost
                if (guarded and strikes >= STRIKES_MAX) or losses >= LOSSES_MAX:
                    yield abandoned(work, lost.how)
                    return

    def _judge(self, work: Work, answer: Answer) -> None:
        if answer.overruns:
            self._suspects.add(work.program)
        if answer.cpu_ms or len(answer.items_json) > HEAVY_BYTES:
            self._heavy.add(work.program)

    def _budget(self, *, guarded: bool) -> Budget:
        """A run that has ended a process gets more time when it is alone: it may only be a large one."""
        cpu_ms = self._limits.run_cpu_ms if guarded else self._limits.first_cpu_ms
        return Budget(cpu_ms, self._limits.cpu_ms_per_mib)

    async def _run(
        self, works: Sequence[Work], *, guarded: bool = False, apart: bool = False
    ) -> AsyncGenerator[Answer, None]:
        """One batch in one process, which is replaced unless it answered everything."""
        process = await (self._take_apart() if apart else self._take())
        whole = False
        try:
            await self._load(process, works)
            refused = process.refused
            for work in works:
                if work.program in refused:
                    yield abandoned(work, f"the program is refused: {refused[work.program]}")
            runnable = [work for work in works if work.program not in refused]
            if runnable:
                budget = self._budget(guarded=guarded)
                running = process.run(runnable, budget, guarded=guarded, patience=WALL_SLOW if apart else 1)
                async with aclosing(running) as answers:
                    async for answer in answers:
                        yield answer
            whole = len(process.programs) <= self._limits.programs
        finally:
            await (self._keep_apart if apart else self._give_back)(process, usable=whole)

    async def _load(self, process: EngineProcess, works: Sequence[Work]) -> None:
        for program in {work.program: None for work in works}:
            if program not in process.programs:
                await process.load(program, await self._load_program(program))

    async def _take(self) -> EngineProcess:
        """A warm process that lives. Raises `TransientFault` when none comes up in time."""
        while True:
            try:
                async with asyncio.timeout(
                    _STARTS_AWAITED * (self._limits.start_wall_ms / 1000 + _RESTART_DELAY_S)
                ):
                    process = await self._warm.get()
            except TimeoutError as late:
                raise TransientFault("no engine process could be started in time") from late
            if process.alive:
                return process
            await self._give_back(process, usable=False)

    async def _give_back(self, process: EngineProcess, *, usable: bool) -> None:
        if usable and process.alive:
            self._warm.put_nowait(process)
            return
        self._wanted.release()
        await process.end()

    async def _take_apart(self) -> EngineProcess:
        """The process apart, started when it is first needed. Raises `TransientFault`."""
        process, self._apart = self._apart, None
        if process is not None and process.alive:
            return process
        if process is not None:
            await process.end()
        try:
            return await start_process(self._limits, NICE)
        except ProcessLost as lost:
            self._on_lost(lost.how)
            raise TransientFault(f"no engine process could be started: {lost.how}") from lost

    async def _keep_apart(self, process: EngineProcess, *, usable: bool) -> None:
        if usable and process.alive and self._apart is None:
            self._apart = process
        else:
            await process.end()

    async def _keep_warm(self) -> None:
        """Start the processes that are missing: `size` of them, and one spare."""
        while True:
            await self._wanted.acquire()
            try:
                self._warm.put_nowait(await start_process(self._limits))
            except ProcessLost as lost:
                self._on_lost(lost.how)
                self._wanted.release()
                await asyncio.sleep(_RESTART_DELAY_S)


def _in_turns(works: Sequence[Work]) -> list[Work]:
    """Works of the tenants in turn, so that a tenant with little work does not wait for one with much."""
    found: dict[str, list[Work]] = {}
    for work in works:
        found.setdefault(work.tenant, []).append(work)
    queues = list(found.values())
    most = max(map(len, queues), default=0)
    return [queue[at] for at in range(most) for queue in queues if at < len(queue)]


def abandoned(work: Work, how: str) -> Answer:
    """The answer for a run that cannot be advanced: it faults, and `killed` says why."""
    detail = f"the engine gave this run up: {how}. An expression that never ends, or needs too much memory?"
    error: WorkflowError = standard_error("runtime", 500, title="Engine gave up", detail=detail)
    state = None if work.state is None else decode_state(work.state)
    step = abandon(state, run=str(work.run), now_ms=work.events[-1].now_ms, error=error)
    answer = answer_of(work, step.state, [step])
    return msgspec.structs.replace(answer, ok=False, killed=how)


def _ignore(how: str) -> None:
    """The default of `on_lost`: does nothing."""
