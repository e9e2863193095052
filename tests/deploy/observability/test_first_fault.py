"""Prometheus sees the first failure of a process: what the process shows before and after it, asked by promtool."""

import tomllib
from pathlib import Path
from string import Template

import pytest
import yaml

from kit.deploy_tools import ROOT, run
from visapi_common.core.errors import OperatorFault
from visapi_common.core.failures import OPERATOR_FAULT_KINDS
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.setup import open_metrics

OBJECTIVES = ROOT / "deploy/observability/objectives.toml"
FAULTS = 11
"""One more than the objective allows in a window."""


def shown(metrics: Metrics) -> dict[str, float]:
    """The series of operator failures that a scrape finds, with their values."""
    return {
        sample.name
        + "{"
        + ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
        + "}": sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "visapi_operator_faults_total"
    }


@pytest.mark.parametrize("sort", OPERATOR_FAULT_KINDS)
def test_the_objective_of_operator_faults_counts_the_first_failures_of_a_loop(sort: str, tmp_path: Path):
    metrics = open_metrics()
    isolation = Isolation("transitions", metrics)
    before = shown(metrics)
    for _ in range(FAULTS):
        isolation.note(OperatorFault("the operator must mend this", sort=sort))
    series = [
        {"series": name, "values": f"{before.get(name, '_')}x10 {after}x10"}
        for name, after in shown(metrics).items()
    ]

    tests = [
        {
            "interval": "15s",
            "input_series": series,
            "promql_expr_test": [
                {
                    "expr": f"{objective()} > bool 10",
                    "eval_time": "5m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
            ],
        }
    ]
    (tmp_path / "rules.yaml").write_text("groups: []\n")
    file = tmp_path / "cases.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    done = run("promtool", "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def objective() -> str:
    """The query of the objective, over five minutes, for any stack."""
    every = tomllib.loads(OBJECTIVES.read_text())["objective"]
    [query] = [each["query"] for each in every if each["name"] == "operator-faults"]
    return f"({Template(query).substitute(selector='', window='5m')})"
