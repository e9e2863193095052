"""The table and the file of a benchmark: each value beside the machine's own limit."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table


class Row(msgspec.Struct, frozen=True):
    """One measurement. `ratio` is value over limit."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Goal:
    """What a row must reach: at least `floor`, at most `ceiling`, at least the share `ratio` of the
    machine's limit.
    """

    floor: float | None = None
    ceiling: float | None = None
    ratio: float | None = None

    def met(self, row: Row) -> bool:
        return (
            (self.floor is None or row.value >= self.floor)
            and (self.ceiling is None or row.value <= self.ceiling)
            and (self.ratio is None or (row.ratio is not None and row.ratio >= self.ratio))
        )

    def __str__(self) -> str:
        bounds = (("≥ ", self.floor), ("≤ ", self.ceiling), ("ratio ≥ ", self.ratio))
        return ", ".join(f"{sign}{bound:g}" for sign, bound in bounds if bound is not None)


GOALS = {
    "3-step workflows": Goal(floor=1300, ratio=0.42),
    "3-step latency p50": Goal(ceiling=10),
    "3-step latency p99": Goal(ceiling=30),
    "accepted triggers": Goal(floor=3000, ratio=0.33),
    "accept latency p99": Goal(ceiling=50),
    "static PDFs": Goal(floor=40),
    "scripted PDFs": Goal(floor=12),
    "native expression": Goal(ceiling=5),
    "jq expression": Goal(ceiling=150),
    "key check": Goal(ceiling=15),
    "key check with rates": Goal(ceiling=20),
    "hostile jq to its fault, slowest": Goal(ceiling=500),
    "idle memory": Goal(ceiling=400),
    "memory of 1,000 idle followers": Goal(ceiling=60),
}
"""The budgets; a floor in absolute figures holds on a quiet machine, a ratio on any."""


def row(name: str, value: float, unit: str, limit: float | None = None) -> Row:
    ratio = round(value / limit, 3) if limit else None
    return Row(name, round(value, 2), unit, round(limit, 2) if limit else None, ratio)


def show(rows: list[Row], console: Console) -> None:
    table = Table("row", "measured", "unit", "machine's limit", "ratio", "goal", "", title="VisAPI bench")
    for each in rows:
        goal = GOALS.get(each.name)
        verdict = "" if goal is None else "met" if goal.met(each) else "MISSED"
        limit = "" if each.limit is None else f"{each.limit:,.1f}"
        ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
        table.add_row(each.name, f"{each.value:,.1f}", each.unit, limit, ratio, str(goal or ""), verdict)
    console.print(table)


def save(rows: list[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
