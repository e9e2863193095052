"""Jobs in bounded processes, with `eval` as the job: whatever a job can do, its neighbours do not feel it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kit.waiting import eventually
from visapi_common.core.errors import TransientFault
from visapi_common.runtime.bounded_processes import (
    BoundedProcesses,
    BoundExceeded,
    Bounds,
    Busy,
    Job,
    JobBug,
    JobQueueLimits,
    PoolLimits,
)
from visapi_common.telemetry.catalogue import Metrics

MIB = 1024 * 1024
EVAL = Job("eval", "builtins:eval", Bounds(cpu_ms=300, wall_ms=3000, memory_bytes=64 * MIB, output_bytes=MIB))
FOR_EVER = b"any(iter(int, 1)) or b''"
LONG = Job("eval", "builtins:eval", Bounds(cpu_ms=300, wall_ms=120_000))
"""Its jobs are not ended for their time while a test waits."""
ASLEEP = b"__import__('time').sleep(60) or b''"


@pytest.fixture
def metrics():
    return Metrics(CollectorRegistry())


@pytest.fixture
async def pool(metrics):
    pool = BoundedProcesses([EVAL], metrics)
    yield pool
    await pool.close()


def of(metrics: Metrics, outcome: str) -> float:
    return (
        metrics.registry.get_sample_value("visapi_bounded_jobs_total", {"job": "eval", "outcome": outcome})
        or 0.0
    )


async def test_a_job_answers_bytes_and_nothing_runs_before_or_after(metrics):
    pool = BoundedProcesses([EVAL], metrics, limits=PoolLimits(idle_s=0.2))
    assert pool.pid is None
    assert await pool.run("a", EVAL, b"b'x' * 3") == b"xxx"
    pid = pool.pid
    assert pid is not None
    await eventually(lambda: pool.pid is None and not exists(pid))
    assert await pool.run("a", EVAL, b"b'again'") == b"again"
    await pool.close()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (FOR_EVER, "cpu"),
        (b"9 ** 9 ** 9 and b''", "cpu"),
        (ASLEEP, "wall"),
        (b"bytes(200 * 2**20)", "memory"),
        (b"bytes(2 * 2**20)", "output"),
        (b"__import__('os')._exit(3)", "died"),
        (b"__import__('os').kill(__import__('os').getpid(), 11) or b''", "died"),
    ],
)
async def test_a_job_that_passes_a_bound_ends_alone_and_says_which(pool, metrics, source, reason):
    neighbours = [pool.run("b", EVAL, b"b'fine'") for _ in range(4)]
    with pytest.raises(BoundExceeded) as ended:
        # On a busy machine a job gets little CPU in 3 s.
        await pool.run("a", LONG if reason == "cpu" else EVAL, source)
    assert ended.value.reason == reason
    assert of(metrics, reason) == 1
    assert await asyncio.gather(*neighbours) == [b"fine"] * 4


async def test_too_large_an_input_is_refused_before_anything_starts(metrics):
    small = Job("eval", "builtins:eval", Bounds(input_bytes=10))
    pool = BoundedProcesses([small], metrics)
    with pytest.raises(BoundExceeded, match="11 bytes are given, allowed are 10"):
        await pool.run("a", small, b"b'1234567'  "[:11])
    assert pool.pid is None


async def test_a_bug_says_where_and_never_what(pool):
    with pytest.raises(JobBug) as bug:
        await pool.run("a", EVAL, b"int('a secret')")
    assert "ValueError" in str(bug.value)
    assert "a secret" not in str(bug.value)


async def test_a_job_has_no_environment_no_files_and_no_rights_to_make_any(pool):
    environment = await pool.run("a", EVAL, b"' '.join(__import__('os').environ).encode()")
    assert environment in (b"", b"LC_CTYPE"), "Python itself sets the latter"
    files = b"repr(sorted(__import__('os').listdir('/proc/self/fd'))).encode()"
    with pytest.raises(JobBug, match="OSError"):
        await pool.run("a", EVAL, files)
    with pytest.raises(JobBug, match="OSError"):
        await pool.run("a", EVAL, b"__import__('socket').socket() and b''")


async def test_nothing_of_a_job_is_left_for_the_next(pool):
    await pool.run("a", EVAL, b"__import__('sys').modules.update(left=1) or b''")
    assert await pool.run("b", EVAL, b"b'%d' % ('left' in __import__('sys').modules)") == b"0"


async def test_a_tenant_whose_jobs_never_end_does_not_delay_another(metrics):
    job = Job("eval", "builtins:eval", Bounds(cpu_ms=20_000, wall_ms=60_000))
    pool = BoundedProcesses([job], metrics)
    bombs = [asyncio.create_task(pool.run("a", job, FOR_EVER)) for _ in range(8)]
    async with asyncio.timeout(15):
        for _ in range(20):
            assert await pool.run("b", job, b"b'fine'") == b"fine"
    assert not any(bomb.done() for bomb in bombs)
    for bomb in bombs:
        bomb.cancel()
    await asyncio.gather(*bombs, return_exceptions=True)
    assert await pool.run("a", job, b"b'free again'") == b"free again"
    await pool.close()


async def test_a_job_that_runs_on_gives_way(metrics):
    pool = BoundedProcesses([LONG], metrics)
    job = asyncio.create_task(pool.run("a", LONG, ASLEEP))
    await eventually(lambda: any(nice(child) == 15 for child in children(pool.pid)))
    job.cancel()
    await pool.close()


def children(pid: int | None) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in path.read_text().split()] if pid is not None and path.exists() else []


def alive(pid: int) -> bool:
    path = Path(f"/proc/{pid}/stat")
    return path.exists() and path.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def nice(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


async def test_what_waits_is_bounded_and_refused_clearly(metrics):
    queue = JobQueueLimits(at_once=2, per_tenant=1, waiting=3, waiting_per_tenant=2, bytes_waiting=1000)
    pool = BoundedProcesses([EVAL], metrics, limits=PoolLimits(queue=queue, wait_s=0.3))
    jobs = [asyncio.create_task(pool.run("a", EVAL, ASLEEP)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="of this tenant") as own:
        await pool.run("a", EVAL, b"b''")
    assert own.value.own
    assert metrics.registry.get_sample_value("visapi_bounded_waiting") == 2
    ended = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(one) for one in ended] == [BoundExceeded, Busy, Busy]
    assert of(metrics, "refused") == 3
    await pool.close()


async def test_a_caller_that_gives_up_ends_its_job(metrics):
    pool = BoundedProcesses([LONG], metrics)
    job = asyncio.create_task(pool.run("a", LONG, ASLEEP))
    await eventually(lambda: children(pool.pid))
    job.cancel()
    await eventually(lambda: not children(pool.pid))
    assert await pool.run("a", LONG, b"b'fine'") == b"fine"
    await pool.close()


async def test_a_job_server_that_is_killed_is_replaced_and_its_jobs_run_again(pool, metrics):
    job = asyncio.create_task(pool.run("a", EVAL, b"__import__('time').sleep(1) or b'done'"))
    await eventually(lambda: children(pool.pid))
    orphans = children(pool.pid)
    os.kill(pool.pid, signal.SIGKILL)
    assert await job == b"done"
    assert of(metrics, "lost") == 1
    await eventually(lambda: not any(alive(orphan) for orphan in orphans))


async def test_a_job_that_disarms_its_timers_is_ended_by_the_watchdog(metrics):
    job = Job("eval", "builtins:eval", Bounds(cpu_ms=300, wall_ms=300))
    pool = BoundedProcesses([job], metrics)
    with pytest.raises(BoundExceeded, match=r"longer than 0\.3 s"):
        await pool.run(
            "a", job, b"__import__('signal').setitimer(0, 0) and __import__('time').sleep(60) or b''"
        )
    assert await pool.run("a", job, b"b'fine'") == b"fine"
    await pool.close()


async def test_a_job_killed_from_outside_is_nobodys_mistake(pool):
    job = asyncio.create_task(pool.run("a", EVAL, ASLEEP))
    await eventually(lambda: children(pool.pid))
    os.kill(children(pool.pid)[0], signal.SIGKILL)
    with pytest.raises(TransientFault, match="killed from outside"):
        await job


async def test_large_inputs_and_results_travel_whole(pool):
    roomy = Job("eval", "builtins:eval", Bounds())
    source = b"b'" + b"x" * (8 * MIB) + b"'"
    assert await pool.run("a", roomy, source) == b"x" * (8 * MIB)
