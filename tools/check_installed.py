"""Compare what is installed with what the locks name, and write the bill of materials of an environment.

    python tools/check_installed.py [--site FOLDER] [--lock FILE]... [--files] [--sbom FILE]

Ends with 1 for a package that no lock names, one of another version, and a file that is run at each start
of Python (`.pth`) and belongs to nobody. `--files` also holds every installed file against the hash in its
package's record. Uses the standard library only.
"""

import argparse
import base64
import csv
import hashlib
import json
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements/dev.lock"
OF_PYTHON = frozenset({"pip", "setuptools", "wheel", "distribute"})
"""What a virtual environment has before anything is installed into it."""
_METADATA = re.compile(r"(?m)^(Name|Version): (.*)$")
_LOCKED = re.compile(r"(?m)^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)")
_RUN_AT_START = re.compile(r"(?m)^import[ \t]")


@dataclass(frozen=True)
class Installed:
    """One installed package."""

    name: str
    version: str
    folder: Path
    """Its `.dist-info`."""

    @property
    def ours(self) -> bool:
        """Whether the package is installed from this checkout."""
        return self.name.startswith("visapi")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare what is installed with the locks.")
    parser.add_argument("--site", type=Path, default=Path(sysconfig.get_paths()["purelib"]))
    parser.add_argument("--lock", type=Path, action="append", help="a lock; the one of development otherwise")
    parser.add_argument("--files", action="store_true", help="hold every file against its package's record")
    parser.add_argument("--sbom", type=Path, help="write what is installed as CycloneDX")
    given = parser.parse_args()
    found = sorted(installed(given.site), key=lambda package: package.name)
    wrong = [*differences(found, locked(given.lock or [LOCK])), *run_at_start(given.site, found)]
    if given.files:
        wrong += changed_files(given.site, found)
    for line in wrong:
        sys.stderr.write(f"check-installed: {line}\n")
    if given.sbom:
        given.sbom.write_text(json.dumps(bill_of_materials(found), indent=1) + "\n", encoding="utf-8")
    print(f"check-installed: {len(found)} packages, {len(wrong)} differences")
    return 1 if wrong else 0


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(site: Path) -> Iterator[Installed]:
    for folder in sorted(site.glob("*.dist-info")):
        fields = dict(_METADATA.findall((folder / "METADATA").read_text(encoding="utf-8", errors="replace")))
        yield Installed(normal(fields["Name"]), fields["Version"].strip(), folder)


def locked(locks: Sequence[Path]) -> dict[str, str]:
    """The version of each package that a lock names."""
    return {
        normal(name): version for lock in locks for name, version in _LOCKED.findall(lock.read_text("utf-8"))
    }


def differences(found: Sequence[Installed], wanted: Mapping[str, str]) -> Iterator[str]:
    """Packages that are not what the locks name. Packages for other systems need not be there."""
    for package in found:
        if package.ours or package.name in OF_PYTHON:
            continue
        if package.name not in wanted:
            yield f"{package.name} {package.version} is installed and in no lock"
        elif wanted[package.name] != package.version:
            yield f"{package.name} is {package.version}, the lock says {wanted[package.name]}"


def run_at_start(site: Path, found: Sequence[Installed]) -> Iterator[str]:
    """Files that Python runs whenever it starts and that no locked package brought."""
    known = {path for package in found for path, _ in _record(package)}
    for path in sorted(site.glob("*.pth")):
        if path.name not in known and _RUN_AT_START.search(
            path.read_text(encoding="utf-8", errors="replace")
        ):
            yield f"{path.name} is run at each start of Python and belongs to no package"


def changed_files(site: Path, found: Sequence[Installed]) -> Iterator[str]:
    """Installed files that are not as their package recorded them."""
    for package in found:
        for name, wanted in _record(package):
            path = site / name
            if not wanted or not path.is_file():
                continue
            digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")
            if digest != wanted:
                yield f"{name} of {package.name} is not the file that was installed"


def bill_of_materials(found: Sequence[Installed]) -> dict[str, object]:
    """What is installed, as CycloneDX 1.6."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{package.name}@{package.version}",
            "name": package.name,
            "version": package.version,
            "purl": f"pkg:pypi/{package.name}@{package.version}",
        }
        for package in found
    ]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}


def _record(package: Installed) -> Iterator[tuple[str, str]]:
    """Files of a package with their SHA-256, where the record has one."""
    record = package.folder / "RECORD"
    if not record.exists():
        return
    with record.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            if row:
                yield (
                    row[0],
                    row[1].removeprefix("sha256=") if row[1:] and row[1].startswith("sha256=") else "",
                )


if __name__ == "__main__":
    raise SystemExit(main())
