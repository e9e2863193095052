"""The resources that an amount of work needs: processors, write-ahead log, disk, traffic. Pure rules and
measured costs.

A run costs a part for itself, a part for each task, a part for each KiB of its input, and, where tasks work
on the whole input, a part for each KiB at each task. `make capacity` measures the parts.
"""

from collections.abc import Mapping

import msgspec

SECONDS_PER_DAY = 86_400
INPUT_KB_MAX = 48.0
"""Larger values lie in the artifact store, and their cost no longer grows with them in the ledger."""


class Cost(msgspec.Struct, frozen=True):
    """The cost of one run in one resource."""

    run: float
    task: float = 0.0
    kb: float = 0.0
    task_kb: float = 0.0

    def of(self, tasks: float, kb: float) -> float:
        return self.run + self.task * tasks + self.kb * kb + self.task_kb * tasks * kb


class Costs(msgspec.Struct, frozen=True):
    """The cost of one run in each resource, and the source of the figures."""

    source: str
    cpu_s: Mapping[str, Cost]
    """CPU seconds, by process."""
    wal_bytes: Cost
    disk_bytes: Cost
    """Bytes that stay in the database until the run's retention ends."""
    rows: Cost
    """Rows that stay."""
    nats_bytes: Cost
    """Bytes that the broker receives and sends."""


class Demand(msgspec.Struct, frozen=True):
    """The work that is expected."""

    runs_per_day: float
    tasks_per_run: float = 3.0
    input_kb: float = 1.0
    keep_days: float = 30.0
    peak: float = 4.0
    """How much busier the busiest minute is than the mean."""
    load: float = 0.6
    """The share of a processor that may be busy at the peak."""


class Need(msgspec.Struct, frozen=True):
    """The resources that the work needs."""

    runs_per_s: float
    runs_per_s_peak: float
    cores: Mapping[str, float]
    """Processors at the peak, by process."""
    wal_mb_per_s_peak: float
    wal_gb_per_day: float
    disk_gb: float
    rows: float
    nats_mb_per_s_peak: float

    @property
    def cores_in_all(self) -> float:
        return sum(self.cores.values())


Point = tuple[float, float]
"""Tasks and KiB of input."""


def need(demand: Demand, costs: Costs) -> Need:
    mean = demand.runs_per_day / SECONDS_PER_DAY
    peak = mean * demand.peak
    at = (demand.tasks_per_run, min(demand.input_kb, INPUT_KB_MAX))
    wal = costs.wal_bytes.of(*at)
    kept = demand.runs_per_day * demand.keep_days
    return Need(
        runs_per_s=mean,
        runs_per_s_peak=peak,
        cores={name: peak * cost.of(*at) / demand.load for name, cost in costs.cpu_s.items()},
        wal_mb_per_s_peak=peak * wal / 1e6,
        wal_gb_per_day=demand.runs_per_day * wal / 1e9,
        disk_gb=kept * costs.disk_bytes.of(*at) / 1e9,
        rows=kept * costs.rows.of(*at),
        nats_mb_per_s_peak=peak * costs.nats_bytes.of(*at) / 1e6,
    )


def fitted(measured: Mapping[Point, float]) -> Cost:
    """The cost that explains four measurements: two numbers of tasks, each with two sizes of input."""
    (few, many), (small, large) = (sorted({point[axis] for point in measured}) for axis in (0, 1))
    least, tasks = measured[few, small], measured[many, small] - measured[few, small]
    kbs = measured[few, large] - measured[few, small]
    both = measured[many, large] - least - tasks - kbs
    per_task_kb = both / ((many - few) * (large - small))
    per_task = tasks / (many - few) - per_task_kb * small
    per_kb = kbs / (large - small) - per_task_kb * few
    run = least - per_task * few - per_kb * small - per_task_kb * few * small
    return Cost(run, per_task, per_kb, per_task_kb)
