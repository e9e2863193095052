"""`python -m bench.capacity`: measure what a run costs, and whether predictions from it hold.

Four sizes of runs are measured and explained (`visapi.admin.capacity.fitted`), three others are predicted and
then measured. Code 1 when a prediction is off by more than a fifth. The costs go to
`bench/out/capacity.json`, which `visapi admin capacity --costs` reads.
"""

import argparse
import asyncio
import platform
import random
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from bench.http_load import open_loop
from bench.load.sampling import Sampler
from bench.stack import BenchStack, drain, must_all_be
from bench.workflows import in_a_row
from kit.running_stack import database
from visapi.admin.capacity import Costs, Point, fitted

CORNERS: tuple[Point, ...] = ((1, 2), (10, 2), (1, 32), (10, 32))
PREDICTED: tuple[Point, ...] = ((3, 4), (5, 8), (8, 20))
OFF_MAX = 0.2
PROCESSES = ("gateway", "orchestrator", "postgres", "nats")
_OUT = Path(__file__).with_name("out")
_CONNECTIONS = 64
_IDLE_S = 8.0


@dataclass(frozen=True)
class Used:
    """What was used: the differences of counters, or one run's part of them."""

    cpu_s: Mapping[str, float]
    wal_bytes: float
    disk_bytes: float
    rows: float
    nats_bytes: float

    def figures(self) -> dict[str, float]:
        """The figures that are predicted, by name."""
        return {
            "CPU ms": 1000 * sum(self.cpu_s.values()),
            "WAL bytes": self.wal_bytes,
            "disk bytes": self.disk_bytes,
            "rows": self.rows,
            "NATS bytes": self.nats_bytes,
        }


async def _counters(stack: BenchStack, data: Path) -> tuple[float, float, float, float]:
    ledger = await database(data, "visapi_orchestrator")
    try:
        wal = await ledger.fetchval("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8")
        disk = await ledger.fetchval("select pg_database_size(current_database())::float8")
        rows = await ledger.fetchval(
            "select ((select count(*) from visapi.runs_done) + (select count(*) from visapi.history))::float8"
        )
    finally:
        await ledger.close()
    carried = psutil.Process(stack.processes()["nats"]).io_counters()
    return (
        float(wal or 0),
        float(disk or 0),
        float(rows or 0),
        float(carried.read_chars + carried.write_chars),
    )


async def _idle(stack: BenchStack) -> dict[str, float]:
    """CPU seconds per second of a stack that has nothing to do."""
    with Sampler(stack.processes(), every_s=_IDLE_S) as sampler:
        await asyncio.sleep(_IDLE_S)
    return {name: usage.cpu_s / sampler.seconds for name, usage in sampler.usage.items()}


async def _measure(stack: BenchStack, data: Path, point: Point, *, runs: int, rate: float) -> Used:
    """What one run of this size uses."""
    tasks, kb = int(point[0]), point[1]
    stack.deploy(in_a_row(tasks))
    text = random.Random(7).randbytes(int(kb * 512)).hex()
    request = stack.start_request(f"in-a-row-{tasks}", {"text": text})
    must_all_be(await open_loop(stack.url, lambda _: request, rate=rate, total=20, connections=8), 202)
    await asyncio.to_thread(drain, stack)
    idle = await _idle(stack)
    before = await _counters(stack, data)
    with Sampler(stack.processes(), every_s=3600) as sampler:
        load = await open_loop(stack.url, lambda _: request, rate=rate, total=runs, connections=_CONNECTIONS)
        await asyncio.to_thread(drain, stack)
    must_all_be(load, 202)
    after = await _counters(stack, data)
    wal, disk, rows, carried = ((late - early) / runs for early, late in zip(before, after, strict=True))
    cpu = {
        name: max(0.0, sampler.usage[name].cpu_s - idle.get(name, 0.0) * sampler.seconds) / runs
        for name in PROCESSES
    }
    return Used(cpu, wal, disk, rows, carried)


def costs_of(measured: Mapping[Point, Used]) -> Costs:
    """The costs that explain the corners."""
    cpu = {name: fitted({point: measured[point].cpu_s[name] for point in CORNERS}) for name in PROCESSES}
    where = f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}"
    return Costs(
        source=f"make capacity, {datetime.now(UTC):%Y-%m-%d}, {where}",
        cpu_s=cpu,
        wal_bytes=fitted({point: measured[point].wal_bytes for point in CORNERS}),
        disk_bytes=fitted({point: measured[point].disk_bytes for point in CORNERS}),
        rows=fitted({point: measured[point].rows for point in CORNERS}),
        nats_bytes=fitted({point: measured[point].nats_bytes for point in CORNERS}),
    )


def predicted(costs: Costs, point: Point) -> Used:
    cpu = {name: cost.of(*point) for name, cost in costs.cpu_s.items()}
    return Used(
        cpu, *(cost.of(*point) for cost in (costs.wal_bytes, costs.disk_bytes, costs.rows, costs.nats_bytes))
    )


def compare(costs: Costs, measured: Mapping[Point, Used], console: Console) -> bool:
    """Print predictions beside measurements; whether all are close enough."""
    close = True
    table = Table("tasks", "input KiB", "one run's", "predicted", "measured", "off by")
    for point in PREDICTED:
        forecast, seen = predicted(costs, point).figures(), measured[point].figures()
        for name, value in seen.items():
            off = forecast[name] / value - 1
            close = close and abs(off) <= OFF_MAX
            table.add_row(
                f"{point[0]:g}",
                f"{point[1]:g}",
                name,
                f"{forecast[name]:,.1f}",
                f"{value:,.1f}",
                f"{off:+.1%}",
            )
    console.print(table)
    return close


async def _all(stack: BenchStack, data: Path, *, runs: int, rate: float) -> dict[Point, Used]:
    measured: dict[Point, Used] = {}
    await _measure(stack, data, (2, 4), runs=runs, rate=rate)
    for point in (*CORNERS, *PREDICTED):
        measured[point] = await _measure(stack, data, point, runs=runs, rate=rate)
        figures = ", ".join(f"{name} {value:,.1f}" for name, value in measured[point].figures().items())
        sys.stdout.write(f"{point[0]:g} tasks, {point[1]:g} KiB: {figures}\n")
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="capacity", description="Measure what a run costs, and predict.")
    parser.add_argument("--runs", type=int, default=600, help="runs of each size")
    parser.add_argument("--rate", type=float, default=20.0, help="starts per second")
    parser.add_argument("--out", type=Path, default=_OUT / "capacity.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="visapi-capacity-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with BenchStack(folder) as stack:
            stack.start_worker()
            measured = asyncio.run(_all(stack, folder / "data", runs=given.runs, rate=given.rate))
    costs, console = costs_of(measured), Console()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=1))
    close = compare(costs, measured, console)
    console.print(
        f"{'every prediction is' if close else 'NOT every prediction is'} within {OFF_MAX:.0%}; {given.out}"
    )
    return 0 if close else 1


if __name__ == "__main__":
    raise SystemExit(main())
