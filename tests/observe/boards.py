"""The committed dashboards, and what a Prometheus answers to their queries."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kit.deploy_tools import ROOT

BOARDS = sorted((ROOT / "deploy/observability/dashboards").glob("*.json"))
RANGE_S = 180
STEP_S = 5
Labels = Mapping[str, str]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One series that a query answered with. `points` are moments with values, the last one alone for an instant."""

    name: str
    labels: Labels
    points: Points


@dataclass(frozen=True)
class Panel:
    """One panel with its lines."""

    board: str
    title: str
    kind: str
    unit: str
    place: Mapping[str, int]
    queries: tuple[str, ...]
    lines: tuple[Line, ...]
    empty: tuple[str, ...]
    """Queries that answered with nothing."""
    bad_from: float | None = None


def read(path: Path) -> tuple[str, list[dict[str, Any]]]:
    board = json.loads(path.read_text(encoding="utf-8"))
    return board["title"], board["panels"]


def answered(prometheus: str, path: Path, now: float) -> Iterator[Panel]:
    """The panels of a dashboard, asked for the last minutes."""
    _, panels = read(path)
    with httpx.Client(base_url=prometheus, trust_env=False, timeout=30) as client:
        for panel in panels:
            yield _answered(client, path.stem, panel, now)


def _answered(client: httpx.Client, board: str, panel: dict[str, Any], now: float) -> Panel:
    lines: list[Line] = []
    empty: list[str] = []
    for target in panel["targets"]:
        found = [_line(target["legendFormat"], each) for each in _asked(client, panel["type"], target, now)]
        found = [line for line in found if line.points]
        lines += found
        if not found:
            empty.append(target["expr"])
    defaults = panel["fieldConfig"]["defaults"]
    steps = defaults.get("thresholds", {}).get("steps", [])
    return Panel(
        board=board,
        title=panel["title"],
        kind=panel["type"],
        unit=defaults["unit"],
        place=panel["gridPos"],
        queries=tuple(target["expr"] for target in panel["targets"]),
        lines=tuple(lines),
        empty=tuple(empty),
        bad_from=steps[-1]["value"] if steps else None,
    )


def _asked(client: httpx.Client, kind: str, target: dict[str, Any], now: float) -> list[Any]:
    """Time series as Grafana asks for them; a table is asked for this moment alone."""
    if kind == "table":
        answer = client.get("/api/v1/query", params={"query": target["expr"], "time": now}).json()
    else:
        span = {"start": now - RANGE_S, "end": now, "step": STEP_S}
        answer = client.get("/api/v1/query_range", params={"query": target["expr"], **span}).json()
    assert answer["status"] == "success", f"{target['expr']}: {answer.get('error')}"
    return answer["data"]["result"]


def _line(legend: str, series: Mapping[str, Any]) -> Line:
    labels: Labels = series["metric"]
    name = legend
    for label, value in labels.items():
        name = name.replace(f"{{{{{label}}}}}", value)
    values = series["values"] if "values" in series else [series["value"]]
    points = [(float(at), float(value)) for at, value in values]
    return Line(name, labels, [point for point in points if math.isfinite(point[1])])


def confused(panel: Panel) -> list[str]:
    """Names that several lines of a panel share, so that nobody can tell them apart."""
    names = [line.name for line in panel.lines if panel.kind == "timeseries"]
    return sorted({name for name in names if names.count(name) > 1})
