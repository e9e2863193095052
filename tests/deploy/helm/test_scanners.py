"""Checkov and Trivy find nothing in what the chart makes, but for exceptions that each have a reason and are needed."""

import json
import re
from pathlib import Path

import pytest
import yaml

from kit.chart import CHART, objects
from kit.deploy_tools import run

EXCEPTIONS: dict[str, dict[str, dict[str, str]]] = json.loads(
    (CHART.parent / "scanner-exceptions.json").read_text()
)
"""By scanner and check: where it is excused (a regular expression for set and resource), and why."""
SCANNED = ("production", "dev", "extras", "ingress")
"""Together they make every object that the chart can make."""


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Value sets as files."""
    folder = tmp_path_factory.mktemp("renders")
    for name in SCANNED:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(objects(name)), encoding="utf-8")
    return folder


def checkov(renders: Path) -> set[tuple[str, str]]:
    done = run(
        "checkov", "--skip-download", "--framework", "kubernetes", "--output", "json", "--directory", renders
    )
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 500
    assert report["summary"]["parsing_errors"] == 0
    failed = report["results"]["failed_checks"]
    return {(each["check_id"], f"{Path(each['file_path']).stem} {each['resource']}") for each in failed}


def trivy(renders: Path) -> set[tuple[str, str]]:
    done = run(
        "trivy",
        "config",
        "--skip-check-update",
        "--quiet",
        "--format",
        "json",
        "--include-non-failures",
        renders,
    )
    results = json.loads(done.stdout)["Results"]
    assert sum(each["MisconfSummary"]["Successes"] for each in results) > 200
    return {
        (wrong["ID"], f"{Path(each['Target']).stem} {wrong['Message']}")
        for each in results
        for wrong in each.get("Misconfigurations", [])
        if wrong["Status"] == "FAIL"
    }


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scanner", [checkov, trivy])
def test_a_scanner_finds_nothing_that_is_not_excused(scanner, renders: Path):
    excused = EXCEPTIONS[scanner.__name__]
    used: set[str] = set()
    unexcused: list[str] = []
    for check, where in sorted(scanner(renders)):
        if check in excused and re.search(excused[check]["where"], where):
            used.add(check)
        else:
            unexcused.append(f"{check} {where}")
    assert unexcused == []
    assert used == set(excused), "an exception that nothing needs goes"


def test_each_exception_has_a_reason():
    assert all(len(each["why"]) > 40 for scanner in EXCEPTIONS.values() for each in scanner.values())
