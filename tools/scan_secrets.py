"""Look for secrets in every version of every file that the history of the repository holds.

    python tools/scan_secrets.py [--repository FOLDER] [--tree]

Trivy reads what is given to it as files, so that each text is written out once, under its object's name. With
--tree only what is checked out now is looked at. Ends with 1 where something is found; the finding names the
object, and `git log --find-object=OBJECT` the commits.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TRIVY = ROOT / ".tools/bin/trivy"
RULES = ROOT / "deploy/pipeline/secrets.yaml"
LARGE_BYTES = 5_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description="Look for secrets in the history.")
    parser.add_argument("--repository", type=Path, default=ROOT)
    parser.add_argument("--tree", action="store_true", help="only what is checked out now")
    given = parser.parse_args()
    if not TRIVY.exists():
        parser.error("trivy is not installed: run `make deploy-tools SETS=chart`")
    with tempfile.TemporaryDirectory() as place:
        names = write_objects(given.repository, Path(place), objects(given.repository, tree=given.tree))
        found = findings(Path(place))
    for path, title, line in found:
        sys.stderr.write(
            f"secret-scan: {names[path]}: {title} in line {line} of object {Path(path).parts[0]}\n"
        )
    print(f"secret-scan: {len(names)} texts, {len(found)} findings", flush=True)
    return 1 if found else 0


def objects(repository: Path, *, tree: bool) -> Iterator[tuple[str, str]]:
    """Each object with the path that it had."""
    if tree:
        for line in git(repository, "ls-tree", "-r", "HEAD").splitlines():
            about, path = line.split("\t", 1)
            yield about.split()[2], path
        return
    for line in git(repository, "rev-list", "--objects", "--all").splitlines():
        name, _, path = line.partition(" ")
        if path:
            yield name, path


def write_objects(repository: Path, place: Path, wanted: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Write each text to OBJECT/FILE; answers the path in the repository for each."""
    names: dict[str, str] = {}
    with subprocess.Popen(["git", "-C", repository, "cat-file", "--batch"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as reading:  # fmt: skip
        assert reading.stdin is not None
        assert reading.stdout is not None
        for name, path in wanted:
            reading.stdin.write(f"{name}\n".encode())
            reading.stdin.flush()
            _, kind, size = reading.stdout.readline().split()
            content = reading.stdout.read(int(size) + 1)[:-1]
            if kind != b"blob" or len(content) > LARGE_BYTES or b"\0" in content[:8192]:
                continue
            file = place / name / Path(path).name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            names[str(file.relative_to(place))] = path
        reading.stdin.close()
    return names


def findings(place: Path) -> list[tuple[str, str, int]]:
    """File, title and line of each secret."""
    command = [str(TRIVY), "filesystem", "--scanners", "secret", "--format", "json", "--quiet",
               "--skip-version-check", "--secret-config", str(RULES), str(place)]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    results: list[dict[str, Any]] = json.loads(done.stdout).get("Results") or []
    return [
        (result["Target"], secret["Title"], secret["StartLine"])
        for result in results
        for secret in list[dict[str, Any]](result.get("Secrets", []))
    ]


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
