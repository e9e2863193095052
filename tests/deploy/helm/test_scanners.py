"""Checkov and Trivy find nothing in what the chart makes, but for exceptions that each have a reason and are needed."""

from pathlib import Path

import pytest
import yaml

from kit.chart import CHART, objects
from kit.scanners import checkov, read_exceptions, trivy, unexcused, without_reason

EXCEPTIONS = read_exceptions(CHART.parent / "scanner-exceptions.json")
SCANNED = ("production", "dev", "extras", "ingress")
"""Together they make every object that the chart can make."""


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Value sets as files."""
    folder = tmp_path_factory.mktemp("renders")
    for name in SCANNED:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(objects(name)), encoding="utf-8")
    return folder


@pytest.mark.timeout(400)
def test_checkov_finds_nothing_that_is_not_excused(renders: Path):
    assert unexcused(checkov(renders, "kubernetes", passed_min=500), EXCEPTIONS["checkov"]) == []


@pytest.mark.timeout(400)
def test_trivy_finds_nothing_that_is_not_excused(renders: Path):
    assert unexcused(trivy(renders, passed_min=200), EXCEPTIONS["trivy"]) == []


def test_each_exception_has_a_reason():
    assert without_reason(EXCEPTIONS) == []
