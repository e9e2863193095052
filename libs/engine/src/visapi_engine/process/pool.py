"""A few engine processes, and always one more that is warm.

A batch goes to one process. When the process is lost, the runs it had not answered go to fresh processes:
those of the tenant whose turn it was one by one and last of all, those of others before, each tenant's
together. So one bad run can neither take its neighbours along nor keep those of other tenants waiting. One by
one, each expression has a process of its own (`guarded`), so that one which exceeds its budget is an ordinary
error of its run. A run that ends its process there as well is abandoned: it faults. A process that hangs or
is killed from outside is the machine's doing and counts against nobody, within reason.

Programs whose expressions exceeded their budget are known for a while: their runs go apart at once. What goes
apart, and what is large, takes turns of its own, so that nothing else waits behind it.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple
from uuid import UUID

import msgspec

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

LOSSES_MAX = 5
"""Processes lost around one run, for whatever reason, before it is abandoned all the same: memory
that the machine does not have shows as `SIGKILL`. Where they only hang, nobody is abandoned."""

LARGE = 1024 * 1024
"""Bytes of work that nobody should wait behind."""

LoadProgram = Callable[[str], Awaitable[bytes]]
"""Gives the stored bytes of a compiled program by the hex of its hash."""

OnLost = Callable[[str], None]
"""Told how a process was lost, for logs and counters."""

_RESTART_DELAY_S = 0.5
"""Between two failed starts: whatever is wrong with the machine, starting faster will not mend it."""


class _Share(NamedTuple):
    """What goes to one process; `guarded`: each expression has a process of its own."""

    works: list[Work]
    guarded: bool = False


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
        self._suspects = Suspects(time.monotonic)

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

    async def advance(self, works: Sequence[Work]) -> AsyncGenerator[Answer, None]:
        """One answer for each run, in no promised order.

        Raises `TransientFault` when no engine process can be had, and whatever `load_program` raises.
        """
        strikes: Counter[UUID] = Counter()
        losses: Counter[UUID] = Counter()
        shares = deque(_Share(batch) for batch in self._apart(works))
        while shares:
            batch, guarded = shares.popleft()
            unanswered = {work.run: work for work in batch}
            guarded = guarded or any(self._suspects.known(work.program) for work in batch)
            try:
                turns = self._turns_apart if guarded or batch[0].size > LARGE else self._turns
                async with turns, aclosing(self._run(batch, guarded=guarded)) as answers:
                    async for answer in answers:
                        work = unanswered.pop(answer.run)
                        if answer.overruns:
                            self._suspects.add(work.program)
                        yield answer
            except ProcessLost as lost:
                self._on_lost(lost.how)
                losses.update(list(unanswered))
                strikes.update(list(unanswered) if lost.by_itself else [])
                if lost.hung and max(losses.values()) >= LOSSES_MAX:
                    raise TransientFault(f"engine processes do not get to work: {lost.how}") from lost
                left: list[Work] = []
                for run, work in unanswered.items():
                    if (guarded and strikes[run] >= STRIKES_MAX) or losses[run] >= LOSSES_MAX:
                        yield abandoned(work, lost.how)
                    else:
                        left.append(work)
                # The run that ended it stands first, but for answers that were not sent yet. Runs of its
                # tenant go guarded at once: everybody would wait until one more process is replaced.
                suspect, *others = _by_tenant(left) or [[]]
                shares.extend(_Share([work], bool(strikes[work.run])) for work in suspect)
                shares.extendleft(_Share(of_one) for of_one in reversed(others))

    def _apart(self, works: Sequence[Work]) -> list[list[Work]]:
        """One batch of all that is usual, then what is large or suspect, each alone."""
        alone = [work for work in works if work.size > LARGE or self._suspects.known(work.program)]
        if not alone:
            return [list(works)] if works else []
        apart = {work.run for work in alone}
        usual = [work for work in works if work.run not in apart]
        return [*([usual] if usual else []), *([work] for work in alone)]

    def _budget(self, *, guarded: bool) -> Budget:
        """A run that has ended a process has more time alone: it may only be a heavy one."""
        cpu_ms = self._limits.run_cpu_ms if guarded else self._limits.first_cpu_ms
        return Budget(cpu_ms, self._limits.cpu_ms_per_mib)

    async def _run(self, works: Sequence[Work], *, guarded: bool) -> AsyncGenerator[Answer, None]:
        """One batch in one process, which is replaced unless it answered everything."""
        process = await self._take()
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
                async with aclosing(process.run(runnable, budget, guarded=guarded)) as answers:
                    async for answer in answers:
                        yield answer
            whole = len(process.programs) <= self._limits.programs
        finally:
            await self._give_back(process, usable=whole)

    async def _load(self, process: EngineProcess, works: Sequence[Work]) -> None:
        for program in {work.program: None for work in works}:
            if program not in process.programs:
                await process.load(program, await self._load_program(program))

    async def _take(self) -> EngineProcess:
        """A warm process that lives. Raises `TransientFault` when none comes up in time."""
        while True:
            try:
                async with asyncio.timeout(self._limits.start_wall_ms / 1000):
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

    async def _keep_warm(self) -> None:
        """Start a process for each that is wanted: `size` of them, and one to spare."""
        while True:
            await self._wanted.acquire()
            try:
                self._warm.put_nowait(await start_process(self._limits))
            except ProcessLost as lost:
                self._on_lost(lost.how)
                self._wanted.release()
                await asyncio.sleep(_RESTART_DELAY_S)


def _by_tenant(works: Sequence[Work]) -> list[list[Work]]:
    found: dict[str, list[Work]] = {}
    for work in works:
        found.setdefault(work.tenant, []).append(work)
    return list(found.values())


def abandoned(work: Work, how: str) -> Answer:
    """The answer for a run that cannot be advanced: it faults, and `killed` says why."""
    detail = f"the engine gave this run up: {how}. An expression that never ends, or needs too much memory?"
    error: WorkflowError = standard_error("runtime", 500, title="Engine gave up", detail=detail)
    state = None if work.state is None else decode_state(work.state)
    step = abandon(state, run=str(work.run), now_ms=work.events[-1].now_ms, error=error)
    answer = answer_of(work, step.state, [step])
    return msgspec.structs.replace(answer, ok=False, killed=how)


def _ignore(how: str) -> None:
    """Nobody wants to know."""
