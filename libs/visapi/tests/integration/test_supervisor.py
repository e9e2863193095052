"""The supervisor with real processes: restarts, order, and that nothing survives."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest

from kit.waiting import eventually
from visapi.stack.members import MARK, end_leftovers, new_mark
from visapi.stack.ports import any_free
from visapi.stack.probes import is_ready, readyz
from visapi.stack.processes import ProcessSpec, wait_for
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
    await eventually(
        lambda: watched.pid("a") not in {None, first} and watched.state("a") is ProcessState.READY
    )
    assert "was killed by SIGKILL" in " ".join(notice.text for notice in watched.notices)
    assert watched.supervisor.view()[0].restarts == 1


async def test_what_a_dead_process_leaves_behind_is_ended(watched: Watched, tmp_path: Path):
    await watched.supervisor.start([spec(tmp_path, "a", WITH_CHILD)])
    first = watched.pid("a")
    assert first is not None
    [grandchild] = psutil.Process(first).children()
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: not psutil.pid_exists(grandchild.pid))
    await eventually(lambda: watched.state("a") is ProcessState.READY)


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
        if process.status() != psutil.STATUS_ZOMBIE and str(tmp_path) in " ".join(process.cmdline())
    ]
    assert len(pids) == 2
    await watched.supervisor.stop(["a", "b"])
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert watched.state("a") is ProcessState.STOPPED


HTTP = """
import http.server, pathlib, signal, sys, time
pathlib.Path(sys.argv[1]).write_text('up')
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wrong = pathlib.Path(sys.argv[1] + '.wrong')
        if pathlib.Path(sys.argv[1] + '.spin').exists():
            pathlib.Path(sys.argv[1] + '.spin').unlink()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True: pass
        body = b'{"ready":false,"checks":{"nats":false,"postgres":true}}' if wrong.exists() else b'{"ready":true}'
        self.send_response(503 if wrong.exists() else 200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(('127.0.0.1', PORT), Handler).serve_forever()
"""


def served(folder: Path, name: str) -> tuple[ProcessSpec, Path]:
    """A process with a `/readyz` of its own, and the file whose presence makes it say that it is not ready."""
    port = any_free()
    plain = spec(folder, name, HTTP.replace("PORT", str(port)), stop_s=0.5)
    probe = readyz(port)
    return msgspec.structs.replace(plain, ready=is_ready(probe), probe=probe), folder / f"{name}.up.wrong"


def texts(watched: Watched) -> str:
    return "\n".join(notice.text for notice in watched.notices)


async def test_the_state_follows_the_probe_there_and_back(watched: Watched, tmp_path: Path):
    plain, wrong = served(tmp_path, "a")
    await watched.supervisor.start([plain])
    first = watched.pid("a")
    wrong.touch()
    await eventually(lambda: watched.state("a") is ProcessState.NOT_READY)
    assert watched.supervisor.view()[0].detail == "nats"
    wrong.unlink()
    await eventually(lambda: watched.state("a") is ProcessState.READY)
    assert "not ready: nats" in texts(watched)
    assert "ready again" in texts(watched)
    assert watched.pid("a") == first
    assert watched.supervisor.view()[0].restarts == 0


@pytest.mark.parametrize("how", ["stopped", "spinning"])
async def test_a_process_that_hangs_is_told_and_restarted(watched: Watched, tmp_path: Path, how: str):
    plain, _ = served(tmp_path, "a")
    await watched.supervisor.start([plain])
    first = watched.pid("a")
    assert first is not None
    if how == "stopped":
        os.kill(first, signal.SIGSTOP)
    else:
        (tmp_path / "a.up.spin").touch()
    await eventually(lambda: watched.state("a") is ProcessState.NOT_READY)
    await eventually(lambda: watched.pid("a") not in {None, first})
    await eventually(lambda: watched.state("a") is ProcessState.READY)
    assert "does not answer for 10 s; ending it" in texts(watched)
    assert not psutil.pid_exists(first)
    assert watched.supervisor.view()[0].restarts == 1


PARENT = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = [{folder!r}, {kit!r}]
from test_supervisor import HUNG, Watched, spec
async def main():
    watched = Watched()
    await watched.supervisor.start([spec(Path({data!r}), "a", HUNG)])
    print(watched.pid("a"), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
HUNG = (
    "import signal,subprocess,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child=subprocess.Popen([sys.executable,'-c','import signal,time;signal.signal(15,1);time.sleep(600)'],start_new_session=True,env={});"
    "import pathlib; pathlib.Path(sys.argv[1]).write_text(str(child.pid))\n"
    "while True: pass"
)


def test_nothing_survives_a_killed_supervisor_not_even_a_busy_loop_and_its_child(tmp_path: Path):
    kit = Path(__file__).parents[4] / "tests"
    code = PARENT.format(folder=str(Path(__file__).parent), kit=str(kit), data=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    pids = [child, int((tmp_path / "a.up").read_text())]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not any(runs(pid) for pid in pids), timeout_s=60, what="the end of both")


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_an_earlier_life_left_is_ended_and_a_later_life_is_not(tmp_path: Path):
    name = "test-" + os.urandom(8).hex()
    code = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    old, other = (
        subprocess.Popen(
            [sys.executable, "-c", code], env={MARK: mark}, stdout=subprocess.PIPE, start_new_session=True
        )
        for mark in (new_mark(name), new_mark(f"{name}x"))
    )
    for process in (old, other):
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
    try:
        assert end_leftovers(name) == 1
        assert old.wait(5) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
