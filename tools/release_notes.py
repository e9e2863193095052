"""The section of CHANGELOG.md about one version, as the notes of its release.

    python tools/release_notes.py 0.2.0             print the section
    python tools/release_notes.py v0.2.0 --out FILE write it

Ends with 1 where the version has no section, or an empty one: nothing is released that nobody described.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?P<rest>.*)$", re.MULTILINE)


class NotesError(Exception):
    """There are no notes; the message says what to write where."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Print what CHANGELOG.md says about a version.")
    parser.add_argument("version", help="0.2.0, or the tag v0.2.0")
    parser.add_argument("--out", type=Path, help="write there instead of printing")
    parser.add_argument("--changelog", type=Path, default=CHANGELOG)
    given = parser.parse_args()
    try:
        notes = section(given.changelog.read_text(encoding="utf-8"), given.version.removeprefix("v"))
    except NotesError as error:
        sys.stderr.write(f"release-notes: {given.changelog.name}: {error}\n")
        return 1
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(notes, encoding="utf-8")
    else:
        sys.stdout.write(notes)
    return 0


def section(changelog: str, version: str) -> str:
    """What stands under the heading of `version`, up to the next version or the links at the end."""
    headings = list(HEADING.finditer(changelog))
    for index, heading in enumerate(headings):
        if heading["version"] == version:
            end = headings[index + 1].start() if index + 1 < len(headings) else len(changelog)
            body = re.split(r"(?m)^\[[^\]]+\]: ", changelog[heading.end() : end])[0].strip()
            if not body:
                raise NotesError(f"the section [{version}] is empty; say what changed")
            return body + "\n"
    there = ", ".join(heading["version"] for heading in headings) or "none"
    raise NotesError(f"no section [{version}] (there are: {there}); rename [Unreleased] when you release")


if __name__ == "__main__":
    sys.exit(main())
