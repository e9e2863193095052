"""Writes the dashboards of Grafana into `deploy/observability/dashboards`.

    python tools/dashboards.py [--check]

With `--check` nothing is written, and the exit code is 1 when a file is stale.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DECLARED = ROOT / "deploy/observability/dashboards.toml"
OUT = ROOT / "deploy/observability/dashboards"
COLUMNS = 24
WIDTHS = {"stat": 4, "timeseries": 8, "table": 12}
HEIGHTS = {"stat": 4, "timeseries": 8, "table": 8}
SOURCE = {"type": "prometheus", "uid": "${source}"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = 0
    for name, text in rendered().items():
        path = OUT / f"{name}.json"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if check:
            sys.stdout.write(f"{path.relative_to(ROOT)}: stale; run python tools/dashboards.py\n")
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}: written\n")
    return 1 if check and stale else 0


def rendered() -> dict[str, str]:
    """The JSON of each dashboard, by its name."""
    declared = tomllib.loads(DECLARED.read_text(encoding="utf-8"))["dashboard"]
    return {
        board["name"]: json.dumps(_dashboard(board), indent=1, ensure_ascii=False) + "\n"
        for board in declared
    }


def _dashboard(board: dict[str, Any]) -> dict[str, Any]:
    return {
        "uid": f"visapi-{board['name']}",
        "title": f"VisAPI: {board['title']}",
        "description": board["about"],
        "tags": ["visapi"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "links": [
            {
                "type": "dashboards",
                "tags": ["visapi"],
                "title": "VisAPI",
                "asDropdown": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": list(_panels(board["panel"])),
    }


def _panels(declared: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The panels from left to right, in rows that are as high as their highest."""
    left = top = height = 0
    for number, panel in enumerate(declared, start=1):
        kind = panel.get("kind", "timeseries")
        wide = panel.get("wide", WIDTHS[kind])
        if left + wide > COLUMNS:
            left, top, height = 0, top + height, 0
        place = {"x": left, "y": top, "w": wide, "h": HEIGHTS[kind]}
        left, height = left + wide, max(height, HEIGHTS[kind])
        yield _panel(number, kind, panel, place)


def _panel(number: int, kind: str, panel: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"}
    }.get(kind, {})
    defaults: dict[str, Any] = {"unit": panel.get("unit", "short"), "min": 0}
    if "bad_from" in panel:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel["bad_from"]}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "id": number,
        "type": kind,
        "title": panel["title"],
        "description": panel.get("about", ""),
        "datasource": SOURCE,
        "gridPos": place,
        "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + position),
                "datasource": SOURCE,
                "expr": query["expr"],
                "legendFormat": query.get("as", ""),
                "instant": kind != "timeseries",
                "format": "table" if kind == "table" else "time_series",
                "exemplar": kind == "timeseries" and "_bucket" in query["expr"],
            }
            for position, query in enumerate(panel["query"])
        ],
    }


if __name__ == "__main__":
    raise SystemExit(main())
