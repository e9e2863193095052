"""Every package declares what it imports and imports what it declares; the lock's source names their union.

    python tools/check_dependencies.py libs/common services/gateway ...

A package that passes can be installed alone. `tool.deptry` in its pyproject.toml names what it needs
without an import, with the reason.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

DEPTRY = Path(sys.executable).with_name("deptry")
RUNTIME = Path("requirements/runtime.in")
OURS = re.compile(r"visapi(-[a-z]+)*")


def main() -> int:
    packages = [Path(argument) for argument in sys.argv[1:]]
    findings = [finding for package in packages for finding in misdeclared(package)]
    findings += unlocked(packages)
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    return 1 if findings else 0


def misdeclared(package: Path) -> Iterable[str]:
    """What deptry finds in one package, a line each."""
    done = subprocess.run(
        [str(DEPTRY), "--no-ansi", "src"], cwd=package, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return []
    lines = [line for line in (done.stdout + done.stderr).splitlines() if ": DEP" in line]
    return [f"{package}/{line}" for line in lines] or [f"{package}: deptry failed: {done.stderr}"]


def unlocked(packages: Sequence[Path]) -> list[str]:
    """Where `requirements/runtime.in` and the packages' declarations differ."""
    declared = {name for package in packages for name in declared_by(package) if not OURS.fullmatch(name)}
    lines = RUNTIME.read_text(encoding="utf-8").splitlines()
    locked = {name_of(line) for line in lines if line and not line.startswith("#")}
    return [f"{RUNTIME}: {name} is missing, though a package declares it" for name in declared - locked] + [
        f"{RUNTIME}: no package declares {name}" for name in sorted(locked - declared)
    ]


def declared_by(package: Path) -> list[str]:
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [name_of(requirement) for requirement in project["dependencies"]]


def name_of(requirement: str) -> str:
    """The normalised name of a requirement's distribution (PyPA, "Names and normalization")."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, f"no requirement: {requirement!r}"
    return re.sub(r"[-_.]+", "-", match[0]).lower()


if __name__ == "__main__":
    sys.exit(main())
