"""Runs jobs whose cost a caller chooses in separate processes, with limits on CPU time and memory.

A job is an importable pure function from bytes to bytes. Tenants are served round-robin, and no tenant may
hold every slot, so a tenant's heavy jobs wait for one another. The job server starts with the first job and
ends after a while without jobs.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from visapi_common.adapters.fair_semaphore import FairSemaphore
from visapi_common.core.bounds import BoundExceeded, Busy
from visapi_common.core.errors import TransientFault
from visapi_common.core.fair_job_queue import JobQueueLimits
from visapi_common.runtime.bounded_protocol import Bounds, Done, Ended
from visapi_common.runtime.job_server import JobServer, ServerLost, start_server
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger

__all__ = [
    "BoundExceeded",
    "BoundedProcesses",
    "Bounds",
    "Busy",
    "Job",
    "JobBug",
    "JobQueueLimits",
    "PoolLimits",
]

QUEUE_LIMITS = JobQueueLimits(
    at_once=4, per_tenant=2, waiting=256, waiting_per_tenant=32, bytes_waiting=64 * 1024 * 1024
)
_TRIES = 2

_REASONS = {
    "cpu": "it needs more than {cpu} s of CPU time",
    "wall": "it takes longer than {wall} s",
    "memory": "it needs more memory than {memory} MiB",
    "output": "its result is larger than {output} bytes",
    "died": "it ended its process ({detail})",
}


class Job(msgspec.Struct, frozen=True):
    """A kind of job: its name in metrics, its function as `module:function`, and what one may use."""

    name: str
    function: str
    bounds: Bounds = Bounds()


class PoolLimits(msgspec.Struct, frozen=True):
    """Bounds of a pool."""

    queue: JobQueueLimits = QUEUE_LIMITS
    wait_s: float = 10.0
    """How long a job may wait for a slot."""
    idle_s: float = 120.0
    """Time without a job after which the job server is ended."""


class JobBug(Exception):
    """The function raised an undeclared exception; the text says where, without any data."""


class BoundedProcesses:
    """The pool of one service."""

    def __init__(
        self,
        jobs: Sequence[Job],
        metrics: Metrics,
        *,
        warm_up: Sequence[str] = (),
        user: str = "",
        limits: PoolLimits | None = None,
    ) -> None:
        limits = limits or PoolLimits()
        self._functions = sorted({job.function for job in jobs})
        self._warm_up = list(warm_up)
        self._user = user
        self._metrics = metrics
        self._slots = FairSemaphore(
            limits.queue, what="the job", wait_s=limits.wait_s, seen=self._show_waiting
        )
        self._limits = limits
        self._shown_waiting = 0
        self._server: JobServer | None = None
        self._starting = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """The job server's process, while there is one."""
        return None if self._server is None else self._server.pid

    async def run(self, tenant: str, job: Job, payload: bytes) -> bytes:
        """The result of one job.

        Raises `BoundExceeded` when the job exceeds a limit, `Busy` when too many jobs wait, and
        `TransientFault` when no process can be started.
        """
        if len(payload) > job.bounds.input_bytes:
            self._count(job, "input")
            raise BoundExceeded(
                job.name,
                "input",
                f"{job.name}: {len(payload)} bytes are given, allowed are {job.bounds.input_bytes}",
            )
        await self._wait_for_turn(tenant, job, len(payload))
        try:
            with self._metrics.bounded_job_seconds.labels(job=job.name).time():
                return await self._run(job, payload)
        finally:
            self._slots.release(tenant)

    async def close(self) -> None:
        """End the job server and the jobs that are under way."""
        if self._idle is not None:
            self._idle.cancel()
        async with self._starting:
            await self._end()

    async def _wait_for_turn(self, tenant: str, job: Job, size: int) -> None:
        try:
            with self._metrics.bounded_wait_seconds.labels(job=job.name).time():
                await self._slots.acquire(tenant, size)
        except Busy:
            self._count(job, "refused")
            raise

    def _show_waiting(self, waiting: int) -> None:
        self._metrics.bounded_waiting.inc(waiting - self._shown_waiting)
        self._shown_waiting = waiting

    async def _run(self, job: Job, payload: bytes) -> bytes:
        for left in reversed(range(_TRIES)):
            try:
                server = await self._ready()
                ended = await server.run(job.function, payload, job.bounds)
            except ServerLost:
                # Jobs are pure, so a job whose server was lost is run again.
                self._count(job, "lost")
                if not left:
                    raise
            else:
                return self._result(job, ended)
        raise AssertionError("the loop returns or raises")

    def _result(self, job: Job, ended: Done | Ended) -> bytes:
        if isinstance(ended, Done):
            self._count(job, "done")
            return ended.payload
        self._count(job, ended.reason)
        get_logger("bounded").warning("job_ended", job=job.name, reason=ended.reason, detail=ended.detail)
        if ended.reason == "bug":
            raise JobBug(f"{job.name}: {ended.detail}")
        if ended.reason == "killed":
            raise TransientFault(f"{job.name}: its process was killed from outside")
        raise BoundExceeded(job.name, ended.reason, _reason_of(job.bounds, ended))

    async def _ready(self) -> JobServer:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._limits.idle_s, self._when_idle)
        async with self._starting:
            if self._server is None or not self._server.alive:
                await self._end()
                self._server = await start_server(self._functions, self._warm_up, self._user)
            return self._server

    def _when_idle(self) -> None:
        if not self._slots.idle:
            self._idle = asyncio.get_running_loop().call_later(self._limits.idle_s, self._when_idle)
            return
        task = asyncio.create_task(self.close(), name="job-server-idle")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            with suppress(ServerLost):
                await server.end()

    def _count(self, job: Job, outcome: str) -> None:
        self._metrics.bounded_jobs.labels(job=job.name, outcome=outcome).inc()


def _reason_of(bounds: Bounds, ended: Ended) -> str:
    return _REASONS[ended.reason].format(
        cpu=bounds.cpu_ms / 1000,
        wall=bounds.wall_ms / 1000,
        memory=bounds.memory_bytes // (1024 * 1024),
        output=bounds.output_bytes,
        detail=ended.detail,
    )
