"""Checkov and Trivy, asked about a folder; and what is excused, each with a reason."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from kit.deploy_tools import run

Exceptions = dict[str, dict[str, dict[str, str]]]
"""By scanner and check: where it is excused (a regular expression for file and resource), and why."""
Finding = tuple[str, str]
"""A check, and where it failed."""


def read_exceptions(path: Path) -> Exceptions:
    return json.loads(path.read_text(encoding="utf-8"))


def checkov(folder: Path, framework: str, *, passed_min: int, unread: tuple[str, ...] = ()) -> set[Finding]:
    """What Checkov has against a folder. A scan that looked at too little fails, as does one that could not read
    another file than those of `unread`.
    """
    # Checkov walks its graph in the order of a set: some checks find a resource in one run and not in the next.
    done = run(
        "checkov", "--skip-download", "--framework", framework, "--output", "json", "--directory", folder,
        environ={"PYTHONHASHSEED": "0"},
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > passed_min
    assert sorted(report["results"]["parsing_errors"]) == [str(folder / name) for name in unread]
    failed = report["results"]["failed_checks"]
    return {(each["check_id"], f"{_short(each['file_path'])} {each['resource']}") for each in failed}


def trivy(folder: Path, *, passed_min: int) -> set[Finding]:
    """What Trivy has against a folder. A scan that looked at too little fails."""
    done = run(
        "trivy", "config", "--skip-check-update", "--quiet", "--format", "json", "--include-non-failures", folder
    )  # fmt: skip
    results = json.loads(done.stdout)["Results"]
    assert sum(each["MisconfSummary"]["Successes"] for each in results) > passed_min
    return {
        (wrong["ID"], f"{_short(each['Target'])} {wrong['Message']}")
        for each in results
        for wrong in each.get("Misconfigurations", [])
        if wrong["Status"] == "FAIL"
    }


def _short(path: str) -> str:
    """A path without its ending: renders are named by their set alone."""
    return path.lstrip("/").removesuffix(".yaml")


def unexcused(found: Iterable[Finding], excused: dict[str, dict[str, str]]) -> list[str]:
    """What no exception covers, and exceptions that nothing needs."""
    used: set[str] = set()
    wrong: list[str] = []
    for check, where in sorted(found):
        if check in excused and re.search(excused[check]["where"], where):
            used.add(check)
        else:
            wrong.append(f"{check} {where}")
    return [*wrong, *(f"{check}: nothing needs this exception" for check in set(excused) - used)]


def without_reason(exceptions: Exceptions) -> list[str]:
    return [
        check for scanner in exceptions.values() for check, each in scanner.items() if len(each["why"]) <= 40
    ]
