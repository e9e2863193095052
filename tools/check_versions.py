"""Every package, the chart and the tag of a release name one version.

python tools/check_versions.py            the packages and the chart agree
python tools/check_versions.py v0.2.0     and are what the tag says, and CHANGELOG.md describes it
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from release_notes import NotesError, section

ROOT = Path(__file__).resolve().parent.parent
SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
CHART = "deploy/helm/visapi/Chart.yaml"


def main() -> int:
    parser = argparse.ArgumentParser(description="Check that all versions agree.")
    parser.add_argument("tag", nargs="?", default="", help="the tag of a release, such as v0.2.0")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--outputs", type=Path, help="append version=… there")
    given = parser.parse_args()
    findings = differences(versions(given.root), given.tag)
    if given.tag:
        findings += undescribed(given.root / "CHANGELOG.md", given.tag)
    for finding in findings:
        sys.stderr.write(f"versions: {finding}\n")
    if findings:
        return 1
    version = next(iter(versions(given.root).values()))
    print(f"versions: {version}")
    if given.outputs:
        with given.outputs.open("a", encoding="utf-8") as file:
            file.write(f"version={version}\n")
    return 0


def versions(root: Path) -> dict[str, str]:
    """The version that each file names, by the file and the key."""
    found: dict[str, str] = {}
    for folder in ("libs", "services"):
        for path in sorted((root / folder).glob("*/pyproject.toml")):
            project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
            found[path.relative_to(root).as_posix()] = project["version"]
    chart = (root / CHART).read_text(encoding="utf-8")
    for key in ("version", "appVersion"):
        named = re.search(rf"(?m)^{key}: *[\"']?([^\"'\s]+)", chart)
        found[f"{CHART} {key}"] = named[1] if named else "nothing"
    return found


def differences(found: Mapping[str, str], tag: str) -> list[str]:
    """A line for each file that names another version than the tag, or than most of them."""
    if tag and not SEMVER.fullmatch(tag.removeprefix("v")):
        return [f"the tag {tag} is no version; tag releases as v1.2.3"]
    named = sorted(found.values())
    wanted = tag.removeprefix("v") or max(named, key=named.count)
    return [
        f"{where} says {version}, {'the tag' if tag else 'the others'} {wanted}"
        for where, version in found.items()
        if version != wanted
    ]


def undescribed(changelog: Path, tag: str) -> list[str]:
    try:
        section(changelog.read_text(encoding="utf-8"), tag.removeprefix("v"))
    except NotesError as error:
        return [f"{changelog.name}: {error}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
