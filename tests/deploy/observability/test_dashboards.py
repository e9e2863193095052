"""The dashboards are those that are declared, and Prometheus understands every query of them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.deploy_tools import run
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import declared_in

ROOT = Path(__file__).parents[3]
BOARDS = sorted((ROOT / "deploy/observability/dashboards").glob("*.json"))
RULES = sorted((ROOT / "deploy/observability/rules").glob("*.yaml"))


def board(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def queries(path: Path) -> list[str]:
    return [target["expr"] for panel in board(path)["panels"] for target in panel["targets"]]


def test_the_committed_dashboards_are_those_that_are_declared():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/dashboards.py", "--check"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_every_query(tmp_path: Path):
    rules = [
        {"record": f"dashboard:query:{number}", "expr": expr}
        for number, expr in enumerate(expr for path in BOARDS for expr in queries(path))
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = run("promtool", "check", "rules", "--lint=none", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rules) > 80


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_dashboard_is_in_the_catalogue_and_every_label_is_the_metrics(path: Path):
    known = {one.name: set(one.labels) for one in declared_in(Metrics)}
    for expr in queries(path):
        for name, matchers in re.findall(
            r"\b((?:visapi|http|db|messaging)_[a-z0-9_]+)(?:\{([^}]*)\})?", expr
        ):
            family = re.sub(r"_(bucket|count|sum)$", "", name) if name not in known else name
            if family in known:
                named = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
                assert named <= known[family] | {"service"}, (expr, name)
            else:
                assert any(name in labels for labels in known.values()), f"{name} is no metric: {expr}"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_lines_are_named_by_every_label_that_tells_them_apart(path: Path):
    for panel in board(path)["panels"]:
        for target in panel["targets"] if panel["type"] == "timeseries" else ():
            kept = {
                label.strip()
                for group in re.findall(r"by \(([^)]*)\)", target["expr"])
                for label in group.split(",")
            }
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert kept - {"le", ""} <= named, panel["title"]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_panels_do_not_lie_on_one_another(path: Path):
    taken: set[tuple[int, int]] = set()
    for panel in board(path)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_alert_names_a_dashboard_that_there_is():
    names = {path.stem for path in BOARDS}
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    named = {
        rule["annotations"]["dashboard"] for group in groups for rule in group["rules"] if "alert" in rule
    }
    assert named <= names
