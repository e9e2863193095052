"""Process trees: finds, measures, slows and kills the processes of a tree.

Linux only; elsewhere a tree is empty.

A renderer whose browser died has another parent, so what was once seen in the tree stays in it. A number
is only used again for the same process: its start time is kept beside it.
"""

import contextlib
import os
import signal
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_STARTED = 19
"""Place of the start time in `/proc/<pid>/stat`, counted behind the name."""
_CPU = slice(11, 13)
"""Places of the ticks in user and kernel mode."""
_SPEAKER = "Chrome_ChildIOT"
"""The name of the thread as the kernel knows it."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Weight(msgspec.Struct, frozen=True):
    """What one process uses: `own_mb` of memory belong to it alone, `shared_mb` lie in shared memory.

    Of the CPU time of a renderer `main_s` belong to its main thread, `messages_s` to the thread that speaks
    with the browser.
    """

    pid: int
    own_mb: float
    shared_mb: float
    renderer: bool
    cpu_s: float = 0.0
    main_s: float = 0.0
    messages_s: float = 0.0

    @property
    def total_mb(self) -> float:
        return self.own_mb + self.shared_mb


class ProcessTree:
    """Everything that descends from `root`, the root included."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._seen: dict[int, str] = {}
        self._renderers: set[int] = set()
        self._speakers: dict[int, int] = {}
        self.refresh()

    @property
    def rooted(self) -> bool:
        """Whether the root still runs."""
        return _started(self.root) is not None

    def refresh(self) -> None:
        """Note the processes that there are now, and forget those that ended."""
        self._seen = {pid: start for pid, start in self._seen.items() if _started(pid) == start}
        self._renderers &= self._seen.keys()
        self._speakers = {pid: thread for pid, thread in self._speakers.items() if pid in self._seen}
        waiting = [self.root, *self._seen]
        done: set[int] = set()
        while waiting:
            pid = waiting.pop()
            if pid in done:
                continue
            done.add(pid)
            start = _started(pid)
            if start is not None:
                self._seen[pid] = start
                waiting.extend(_children(pid))

    def weights(self) -> list[Weight]:
        """The memory of each process, as of the last `refresh`."""
        found = (self._weigh(pid) for pid in self._seen)
        return [weight for weight in found if weight is not None]

    def kill(self) -> int:
        """SIGKILL to every process; how many there were."""
        killed = 0
        for _ in range(3):
            self.refresh()
            if not self._seen:
                break
            for pid, start in self._seen.items():
                killed += kill(pid, start)
        return killed

    def kill_one(self, pid: int) -> None:
        kill(pid, self._seen.get(pid))

    def lower(self, pid: int, nice: int) -> None:
        """Lower the priority of a process of the tree: of all its threads, for each has its own."""
        if self._seen.get(pid) is None or _started(pid) != self._seen[pid]:
            return
        for thread in _threads(pid):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, thread, nice)

    def _weigh(self, pid: int) -> Weight | None:
        try:
            status = (_PROC / str(pid) / "status").read_text("ascii", "replace")
        except OSError:
            return None
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        own, shared = (_mb(fields.get(name, "0")) for name in ("RssAnon", "RssShmem"))
        if not self._is_renderer(pid):
            return Weight(pid, own, shared, False, _cpu_s(pid))
        speaker = self._speaker(pid)
        messages_s = _cpu_s(pid, speaker) if speaker is not None else 0.0
        return Weight(pid, own, shared, True, _cpu_s(pid), _cpu_s(pid, pid), messages_s)

    def _speaker(self, pid: int) -> int | None:
        """The thread through which a renderer speaks with the browser."""
        if pid not in self._speakers:
            for thread in _threads(pid):
                if _named(pid, thread) == _SPEAKER:
                    self._speakers[pid] = thread
        return self._speakers.get(pid)

    def _is_renderer(self, pid: int) -> bool:
        if pid in self._renderers:
            return True
        with contextlib.suppress(OSError):
            if b"--type=renderer" in (_PROC / str(pid) / "cmdline").read_bytes():
                self._renderers.add(pid)
                return True
        return False


def kill(pid: int, start: str | None) -> bool:
    """SIGKILL to the process of that number and start time; false when it has ended."""
    if start is None or _started(pid) != start:
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def children_named(needle: bytes) -> set[int]:
    """The direct children of this process whose command line holds `needle`."""
    return {pid for pid in _children(os.getpid()) if needle in _command(pid)}


def profile_of(tree: ProcessTree) -> Path | None:
    """The folder that a browser of the tree keeps its profile in."""
    mark = b"--user-data-dir="
    for weight in tree.weights():
        for part in _command(weight.pid).split(b"\0"):
            if part.startswith(mark):
                return Path(os.fsdecode(part.removeprefix(mark)))
    return None


def _command(pid: int) -> bytes:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def _started(pid: int) -> str | None:
    """When it was started, in ticks since boot; `None` when it has ended, a zombie included."""
    fields = _stat(pid)
    return None if not fields or fields[0] in {"Z", "X"} else fields[_STARTED]


def _stat(pid: int, thread: int | None = None) -> list[str]:
    """What `/proc/<pid>/stat` says behind the name, or the same of one thread; nothing when there is none."""
    folder = _PROC / str(pid) if thread is None else _PROC / str(pid) / "task" / str(thread)
    try:
        return (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_s(pid: int, thread: int | None = None) -> float:
    return sum(map(int, _stat(pid, thread)[_CPU])) / _TICKS_PER_S


def _threads(pid: int) -> list[int]:
    try:
        return [int(thread.name) for thread in (_PROC / str(pid) / "task").iterdir()]
    except OSError:
        return []


def _named(pid: int, thread: int) -> str:
    try:
        return (_PROC / str(pid) / "task" / str(thread) / "comm").read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _children(pid: int) -> list[int]:
    """A thread's children stand with the thread that started them."""
    found: list[int] = []
    for thread in _threads(pid):
        with contextlib.suppress(OSError):
            children = (_PROC / str(pid) / "task" / str(thread) / "children").read_text("ascii")
            found.extend(map(int, children.split()))
    return found


def _mb(text: str) -> float:
    return int(text.split(maxsplit=1)[0]) * 1024 / 1e6
