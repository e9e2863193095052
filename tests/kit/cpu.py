"""CPU seconds of each test, with its fixtures and the servers under it, beside pytest's `--durations`.

Wall time on a shared machine says how long a test waited for its neighbours; CPU time says what it costs the gate.
A process that outlives its parent is counted until then. Needs Linux's `/proc`; elsewhere nothing is printed.
"""

import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROPERTY = "cpu_s"


class Family:
    """This process and those below it."""

    def __init__(self) -> None:
        self._known = {os.getpid()}
        """The kernel may leave children out while others are born; what was seen once is counted on."""

    def spent_s(self) -> float:
        """What they, and those that they have waited for, have used so far."""
        total, unseen = 0.0, list(self._known)
        while unseen:
            process = unseen.pop()
            try:
                total += _used_s(process)
                found = _children(process) - self._known
            except (FileNotFoundError, ProcessLookupError):
                self._known.discard(process)
                continue
            self._known |= found
            unseen += found
        return total


def _used_s(process: int) -> float:
    fields = (_PROC / f"{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def _children(process: int) -> set[int]:
    threads = (_PROC / f"{process}/task").iterdir()
    return {int(child) for thread in threads for child in (thread / "children").read_text().split()}


def pytest_configure(config: pytest.Config) -> None:
    if (_PROC / "self/task").exists():
        config.pluginmanager.register(_Meter())


class _Meter:
    """Measures in the process that runs the tests, prints in the one that reports them."""

    def __init__(self) -> None:
        self._family = Family()
        self._before = 0.0

    def pytest_collection_finish(self) -> None:
        self._before = self._family.spent_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "teardown":
            now = self._family.spent_s()
            report.user_properties.append((_PROPERTY, max(0.0, now - self._before)))
            self._before = now
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        most = terminalreporter.config.option.durations
        if most is None:
            return
        cpu: defaultdict[str, float] = defaultdict(float)
        wall: defaultdict[str, float] = defaultdict(float)
        for report in (each for reports in terminalreporter.stats.values() for each in reports):
            if isinstance(report, pytest.TestReport):
                wall[report.nodeid] += report.duration
                cpu[report.nodeid] += sum(
                    value
                    for name, value in report.user_properties
                    if name == _PROPERTY and isinstance(value, float)
                )
        terminalreporter.section(f"most CPU: {sum(cpu.values()):.0f} s in all")
        _table(terminalreporter, cpu, wall, most)
        terminalreporter.section("most CPU by file")
        _table(terminalreporter, _by_file(cpu), _by_file(wall), most)


def _by_file(seconds: dict[str, float]) -> dict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for test, each in seconds.items():
        found[test.partition("::")[0]] += each
    return found


def _table(
    reporter: pytest.TerminalReporter, cpu: dict[str, float], wall: dict[str, float], most: int
) -> None:
    for name in sorted(cpu, key=lambda name: -cpu[name])[: most or None]:
        reporter.write_line(f"{cpu[name]:7.1f}s CPU {wall[name]:7.1f}s wall  {name}")
