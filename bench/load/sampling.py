"""CPU and memory (PSS) of each process of a stack, every few seconds, while something else happens."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

SERVICES = ("gateway", "orchestrator", "pdf-worker", "notifier")


@dataclass
class Usage:
    """One process with its children."""

    cpu_s: float = 0.0
    """CPU seconds between the first and the last sample."""
    cpu_peak: float = 0.0
    """The most cores that were used between two samples."""
    pss_mb: list[float] = field(default_factory=list[float])
    """One value for each sample."""

    @property
    def pss_mean(self) -> float:
        return sum(self.pss_mb) / len(self.pss_mb) if self.pss_mb else 0.0

    @property
    def pss_peak(self) -> float:
        return max(self.pss_mb, default=0.0)


class Sampler:
    """Samples in a thread while its block runs. Children of Chromium count as `chromium`."""

    def __init__(self, roots: Mapping[str, int], every_s: float = 5.0) -> None:
        self._roots = dict(roots)
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="sampler")
        self._cpu: dict[int, tuple[str, float]] = {}
        self.usage: dict[str, Usage] = {}
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._take(0.0)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._began

    def services_mb(self) -> float:
        """The most that the four services took together, Chromium left out."""
        series = [self.usage[name].pss_mb for name in SERVICES if name in self.usage]
        return max((sum(values) for values in zip(*series, strict=False)), default=0.0)

    def _sample(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(self._every_s):
            self._take(time.monotonic() - before)
            before = time.monotonic()
        self._take(max(0.001, time.monotonic() - before))

    def _take(self, seconds: float) -> None:
        used: dict[str, float] = {}
        held: dict[str, float] = {}
        for name, process in self._processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total = times.user + times.system
                known = self._cpu.get(process.pid)
                # A process that was not there before has used all of its time since then.
                used[name] = used.get(name, 0.0) + total - (known[1] if known and known[0] == name else 0.0)
                self._cpu[process.pid] = (name, total)
                held[name] = held.get(name, 0.0) + process.memory_full_info().pss / 1e6
        for name, megabytes in held.items():
            usage = self.usage.setdefault(name, Usage())
            usage.pss_mb.append(megabytes)
            if seconds:
                usage.cpu_s += used[name]
                usage.cpu_peak = max(usage.cpu_peak, used[name] / seconds)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for name, pid in self._roots.items():
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(pid)
                for process in (root, *root.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        yield _group(name, process.name().lower()), process


def _group(name: str, program: str) -> str:
    browser = "chrom" in program or "headless" in program or program.startswith("node")
    return "chromium" if browser else name
