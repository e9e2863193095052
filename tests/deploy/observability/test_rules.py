"""Every alert fires on what it is for, stays silent otherwise, and tells people what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.alert_cases import CASES, Case, Series
from kit.deploy_tools import run
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import declared_in

ROOT = Path(__file__).parents[3]
RULES = sorted((ROOT / "deploy/observability/rules").glob("*.yaml"))
RUNBOOKS = "docs/operations/runbooks.md"
SECTIONS = set(re.findall(r"^## (.+)$", (ROOT / RUNBOOKS).read_text(), re.MULTILINE))
ALWAYS = {"Watchdog"}
NEEDED = {"summary", "description", "reason", "runbook_url", "dashboard"}
SUFFIXES = ("_bucket", "_count", "_sum")
NOT_OURS = {"up", "process_start_time_seconds", "process_resident_memory_bytes"}


def alerts() -> dict[str, dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


ALERTS = alerts()


def test_promtool_reads_the_rules():
    done = run("promtool", "check", "rules", *RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_reads_the_configuration_that_loads_the_rules():
    done = run("promtool", "check", "config", "--syntax-only", ROOT / "deploy/observability/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=RunsDoNotStart", "severity=page"], "pager"),
        (["alertname=DeadLettersOld", "severity=ticket"], "tickets"),
        (["alertname=Watchdog", "severity=none"], "watchdog"),
    ],
)
def test_alerts_go_by_their_severity(labels: list[str], receiver: str):
    config = f"--config.file={ROOT / 'deploy/observability/alertmanager.yml'}"
    assert run("amtool", "check-config", config.partition("=")[2]).returncode == 0
    done = run("amtool", "config", "routes", "test", config, *labels)
    assert (done.returncode, done.stdout.strip()) == (0, receiver), done.stderr


def test_what_alertmanager_silences_are_alerts():
    config = yaml.safe_load((ROOT / "deploy/observability/alertmanager.yml").read_text())
    for rule in config["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            pattern = matcher.partition("=")[2].lstrip("~").strip('"')
            for name in pattern.split("|"):
                assert any(re.fullmatch(name, alert) for alert in ALERTS), name


def test_there_is_a_case_for_each_alert_and_an_alert_for_each_case():
    assert set(CASES) == set(ALERTS)


def asked(name: str, case: Case, series: Series, *, fires: bool) -> dict[str, Any]:
    """A test of promtool: whether the alert fires at the end."""
    return {
        "interval": f"{case.sample_s}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) > bool 0',
                "eval_time": f"{case.minutes}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def group_of(name: str, case: Case) -> dict[str, Any]:
    """A file of rules with the alert alone, and with the recording rules that it may read."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    rules = [rule for group in groups for rule in group["rules"] if rule.get("alert", name) == name]
    if not any("record" in rule and rule["record"] in ALERTS[name]["expr"] for rule in rules):
        rules = [rule for rule in rules if "alert" in rule]
    return {"groups": [{"name": "one", "interval": f"{case.sample_s}s", "rules": rules}]}


COUNTED = [
    name
    for name, rule in ALERTS.items()
    if "increase(visapi" in rule["expr"] and "bucket" not in rule["expr"]
]


@pytest.mark.parametrize("name", COUNTED)
def test_an_alert_hears_of_the_first_of_its_kind(name: str, tmp_path: Path):
    """A labelled counter appears with its first event: its series has no increase then, but it counts."""
    case = CASES[name]
    told(tmp_path, name, case, [asked(name, case, dict.fromkeys(case.fires, "_x36 100+5x400"), fires=True)])


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_on_what_it_is_for_and_stays_silent_otherwise(name: str, tmp_path: Path):
    case = CASES[name]
    tests = [asked(name, case, case.fires, fires=True)]
    if name not in ALWAYS:
        tests.append(asked(name, case, case.silent, fires=False))
    told(tmp_path, name, case, tests)


def told(tmp_path: Path, name: str, case: Case, tests: list[dict[str, Any]]) -> None:
    """Let promtool run tests of one alert."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(group_of(name, case)))
    every = f"{case.sample_s}s"
    file = tmp_path / "cases.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": tests})
    )
    done = run("promtool", "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_happens_why_it_matters_and_what_to_do(name: str):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"page", "ticket", "none"}
    assert set(rule["annotations"]) == NEEDED
    page, _, section = rule["annotations"]["runbook_url"].partition("#")
    assert page == RUNBOOKS
    assert section in SECTIONS


def test_every_runbook_belongs_to_an_alert():
    assert {rule["annotations"]["runbook_url"].partition("#")[2] for rule in ALERTS.values()} == SECTIONS


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_metric_of_a_rule_is_in_the_catalogue(path: Path):
    known = NOT_OURS | {one.name for one in declared_in(Metrics)}
    words = re.findall(r"\b(?:visapi|http|db|messaging|process)_[a-z0-9_]+", _expressions(path))
    labels = {label for one in declared_in(Metrics) for label in one.labels}
    unknown = [word for word in words if word not in labels and _family(word) not in known]
    assert unknown == []


def _expressions(path: Path) -> str:
    groups = yaml.safe_load(path.read_text())["groups"]
    return "\n".join(rule["expr"] for group in groups for rule in group["rules"])


def _family(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
