"""The supervisor with real processes: restarts, order, and that nothing survives."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from visapi.stack.processes import ProcessSpec
from visapi.stack.supervisor import Notice, ProcessState, StartFailedError, Supervisor

SERVE = "import pathlib,sys,time; pathlib.Path(sys.argv[1]).write_text('up'); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SERVE
WITH_CHILD = (
    "import subprocess,sys; subprocess.Popen([sys.executable,'-c','import time;time.sleep(600)'],start_new_session=True);"
    + SERVE
)


def spec(folder: Path, name: str, code: str, *, stop_s: float = 5.0) -> ProcessSpec:
    mark = folder / f"{name}.up"

    async def ready() -> bool:
        return mark.exists()

    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-c", code, str(mark)),
        env={"PATH": "/usr/bin:/bin"},
        cwd=folder,
        log=folder / f"{name}.log",
        ready=ready,
        ports={},
        stop_s=stop_s,
    )


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


class Watched:
    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.supervisor = Supervisor(self.notices.append, lambda: None)

    def state(self, name: str) -> ProcessState:
        return next(view.state for view in self.supervisor.view() if view.name == name)

    def pid(self, name: str) -> int | None:
        return next(view.pid for view in self.supervisor.view() if view.name == name)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    made = Watched()
    yield made
    await made.supervisor.stop([view.name for view in made.supervisor.view()])


async def test_start_returns_when_everything_serves(watched: Watched, tmp_path: Path):
    await watched.supervisor.start([spec(tmp_path, "a", SERVE), spec(tmp_path, "b", SERVE)])
    assert [watched.state(name) for name in "ab"] == [ProcessState.READY, ProcessState.READY]


async def test_a_killed_process_is_started_again(watched: Watched, tmp_path: Path):
    await watched.supervisor.start([spec(tmp_path, "a", SERVE)])
    first = watched.pid("a")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: watched.pid("a") not in {None, first} and watched.state("a") is ProcessState.READY)
    assert "was killed by SIGKILL" in " ".join(notice.text for notice in watched.notices)
    assert watched.supervisor.view()[0].restarts == 1


async def test_what_a_dead_process_leaves_behind_is_ended(watched: Watched, tmp_path: Path):
    await watched.supervisor.start([spec(tmp_path, "a", WITH_CHILD)])
    first = watched.pid("a")
    assert first is not None
    [grandchild] = psutil.Process(first).children()
    os.kill(first, signal.SIGKILL)
    await until(lambda: not psutil.pid_exists(grandchild.pid))
    await until(lambda: watched.state("a") is ProcessState.READY)


async def test_a_process_that_never_serves_ends_the_start_with_its_log(watched: Watched, tmp_path: Path):
    with pytest.raises(StartFailedError, match="out of luck"):
        await watched.supervisor.start(
            [spec(tmp_path, "a", "print('out of luck', flush=True); raise SystemExit(1)")]
        )


async def test_a_program_that_is_missing_ends_the_start(watched: Watched, tmp_path: Path):
    lost = ProcessSpec(
        name="lost",
        argv=("/nowhere/program",),
        env={},
        cwd=tmp_path,
        log=tmp_path / "lost.log",
        ready=spec(tmp_path, "x", SERVE).ready,
        ports={},
    )
    with pytest.raises(StartFailedError, match="cannot be started"):
        await watched.supervisor.start([lost])


async def test_stop_leaves_nothing_even_of_a_process_that_ignores_it(watched: Watched, tmp_path: Path):
    await watched.supervisor.start(
        [spec(tmp_path, "a", STUBBORN, stop_s=0.3), spec(tmp_path, "b", WITH_CHILD)]
    )
    pids = [
        process.pid
        for process in psutil.Process().children(recursive=True)
        if str(tmp_path) in " ".join(process.cmdline())
    ]
    assert len(pids) == 2
    await watched.supervisor.stop(["a", "b"])
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert watched.state("a") is ProcessState.STOPPED


PARENT = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_supervisor import SERVE, Watched, spec
async def main():
    watched = Watched()
    await watched.supervisor.start([spec(Path({data!r}), "a", SERVE)])
    print(watched.pid("a"), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_nothing_survives_a_killed_supervisor(tmp_path: Path):
    code = PARENT.format(folder=str(Path(__file__).parent), data=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
