"""List the migrations that a release brings in `released.sha256`: from then on none of them may change.

    python tools/released_migrations.py 0.2.0    adds those that are not listed, under the version
    python tools/released_migrations.py --check  names them, and ends with 1 where there are any

Refuses (code 1) a listed migration that was changed or removed.
"""

import argparse
import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "libs/common/src/visapi_common/sql/migrations"
LIST = "released.sha256"


def main() -> int:
    parser = argparse.ArgumentParser(description="List the migrations of a release.")
    parser.add_argument("version", nargs="?", default="", help="0.2.0, or the tag v0.2.0")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--root", type=Path, default=ROOT)
    given = parser.parse_args()
    if bool(given.version) == given.check:
        parser.error("give the version of the release, or --check")
    folder = given.root / FOLDER
    if refused := changed(folder) + (unlisted(folder) if given.check else []):
        for line in refused:
            sys.stderr.write(f"released-migrations: {line}\n")
        return 1
    added = [] if given.check else add(folder, given.version.removeprefix("v"))
    print(f"released-migrations: {', '.join(added) if added else 'every migration is listed'}")
    return 0


def changed(folder: Path) -> list[str]:
    """A line for each listed migration that is not what was released."""
    now = _digests(folder)
    return [
        f"{name} was {'changed' if name in now else 'removed'} after its release; restore the file"
        for name, digest in _listed(folder).items()
        if now.get(name) != digest
    ]


def unlisted(folder: Path) -> list[str]:
    """A line for each migration that no release lists."""
    return [
        f"{name} is in no release; list it by `make released-migrations VERSION=…`" for name in _new(folder)
    ]


def add(folder: Path, version: str) -> list[str]:
    """List the new migrations under the version, and return their names."""
    new, path = _new(folder), folder / LIST
    text = path.read_text(encoding="utf-8")
    heads = [line for line in text.splitlines() if line.startswith("#")]
    head = "" if heads[-1:] == [f"# {version}"] else f"# {version}\n"
    lines = "".join(f"{digest}  {name}\n" for name, digest in new.items())
    if new:
        path.write_text(f"{text}{head}{lines}", encoding="utf-8")
    return list(new)


def _new(folder: Path) -> dict[str, str]:
    listed = _listed(folder)
    return {name: digest for name, digest in _digests(folder).items() if name not in listed}


def _digests(folder: Path) -> dict[str, str]:
    """By name, in the order of the numbers."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.sql"))}


def _listed(folder: Path) -> dict[str, str]:
    lines = (folder / LIST).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line and line[0] != "#")}


if __name__ == "__main__":
    sys.exit(main())
