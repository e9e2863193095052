"""Every package, image, the chart and the tag of a release name one version.

python tools/check_versions.py              packages, images and the chart agree
python tools/check_versions.py v0.2.0       and are what the tag says; CHANGELOG.md and UPGRADING.md describe
                                            it, and every migration is listed as released
python tools/check_versions.py --set 0.2.0  write it everywhere
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import released_migrations
from release_notes import NotesError, section

ROOT = Path(__file__).resolve().parent.parent
SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
PLACES = {
    "libs/*/pyproject.toml": r'^(?P<key>version) = "(?P<version>[^"]+)"$',
    "services/*/pyproject.toml": r'^(?P<key>version) = "(?P<version>[^"]+)"$',
    "services/*/Dockerfile": r"^ARG (?P<key>VERSION)=(?P<version>\S+)$",
    "deploy/images/*/Dockerfile": r"^ARG (?P<key>VERSION)=(?P<version>\S+)$",
    "deploy/helm/visapi/Chart.yaml": r"^(?P<key>version|appVersion): (?P<version>\S+)$",
}
"""The files that name the version, and the lines in which they do."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Check that all versions agree.")
    parser.add_argument("tag", nargs="?", default="", help="the tag of a release, such as v0.2.0")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--outputs", type=Path, help="append version=… there")
    parser.add_argument("--set", dest="new", default="", help="write this version everywhere")
    given = parser.parse_args()
    if given.new:
        if not SEMVER.fullmatch(given.new):
            parser.error(f"{given.new} is no version; write one as 1.2.3")
        write(given.root, given.new)
    findings = differences(versions(given.root), given.tag)
    if given.tag:
        findings += undescribed(given.root, given.tag.removeprefix("v"))
        findings += released_migrations.unlisted(given.root / released_migrations.FOLDER)
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
    return {
        f"{path.relative_to(root).as_posix()} {found['key']}": found["version"]
        for path, pattern in _places(root)
        for found in re.finditer(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def write(root: Path, version: str) -> None:
    """Name the version in every place."""
    for path, pattern in _places(root):
        text = path.read_text(encoding="utf-8")
        for found in reversed(list(re.finditer(pattern, text, re.MULTILINE))):
            text = text[: found.start("version")] + version + text[found.end("version") :]
        path.write_text(text, encoding="utf-8")


def _places(root: Path) -> Iterator[tuple[Path, str]]:
    for places, pattern in PLACES.items():
        yield from ((path, pattern) for path in sorted(root.glob(places)))


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


def undescribed(root: Path, version: str) -> list[str]:
    """A line for each page that says nothing about the version."""
    found: list[str] = []
    try:
        section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    except NotesError as error:
        found.append(f"CHANGELOG.md: {error}")
    upgrading = root / "deploy/helm/visapi/UPGRADING.md"
    if f"\n## {version}\n" not in upgrading.read_text(encoding="utf-8"):
        found.append(
            f"UPGRADING.md has no section `## {version}`; write there what an operator does, or `Nothing.`"
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
