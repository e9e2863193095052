"""One version: packages, images, the chart and what they say of themselves."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "libs/visapi/pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]
PLACES = {
    "libs/*/pyproject.toml": r'^version = "(.+)"$',
    "services/*/pyproject.toml": r'^version = "(.+)"$',
    "services/*/Dockerfile": r"^ARG VERSION=(.+)$",
    "deploy/images/*/Dockerfile": r"^ARG VERSION=(.+)$",
    "deploy/helm/visapi/Chart.yaml": r"^(?:version|appVersion): (.+)$",
}


@pytest.mark.parametrize("pattern", PLACES)
def test_every_place_names_the_version_of_the_release(pattern: str):
    files = sorted(ROOT.glob(pattern))
    assert files
    said = {str(path.relative_to(ROOT)): set(versions(path, PLACES[pattern])) for path in files}
    assert said == {path: {VERSION} for path in said}


def test_what_is_installed_says_the_same():
    names = ["visapi", "visapi-common", "visapi-engine", "visapi-gateway", "visapi-orchestrator"]
    assert {name: version(name) for name in names} == dict.fromkeys(names, VERSION)


def test_the_chart_tells_how_to_upgrade_to_the_release():
    sections = re.findall(r"^## (\S+)$", (ROOT / "deploy/helm/visapi/UPGRADING.md").read_text(), re.MULTILINE)
    assert VERSION in sections


def versions(path: Path, pattern: str) -> list[str]:
    return re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
