"""Write the locks of the images: for each, the part of `requirements/runtime.lock` that it imports; of
stand-ins, which hold servers that only tests need, of `dev.lock`.

    .venv/bin/python tools/image_locks.py            writes requirements/images/*.lock
    .venv/bin/python tools/image_locks.py --check    exits 1 when one of them differs

What an image holds follows from the dependencies that its packages declare (`deploy/images/images.json`),
read from the environment of `make setup` as Linux with CPython 3.11 sees them. It copies versions and hashes.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
IMAGES = (ROOT / "deploy/images/images.json", ROOT / "deploy/images/standins/images.json")
OUT = ROOT / "requirements" / "images"
LINUX = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}
BUILD = "build"
"""The lock of what builds our own wheels; it stands in no image."""


def main() -> int:
    wanted = dict(texts())
    if "--check" in sys.argv[1:]:
        stale = [name for name, text in wanted.items() if _read(OUT / f"{name}.lock") != text]
        for name in stale:
            sys.stderr.write(f"requirements/images/{name}.lock is stale; run tools/image_locks.py\n")
        return 1 if stale else 0
    OUT.mkdir(exist_ok=True)
    for name, text in wanted.items():
        (OUT / f"{name}.lock").write_text(text, encoding="utf-8")
    return 0


def texts() -> Iterator[tuple[str, str]]:
    """Each lock's name and text."""
    images = {
        name: image
        for path in IMAGES
        for name, image in json.loads(path.read_text(encoding="utf-8")).items()
        if image["lock"]
    }
    locked = {
        name: block
        for lock in ("dev.lock", "runtime.lock")
        for name, block in blocks((ROOT / "requirements" / lock).read_text(encoding="utf-8")).items()
    }
    for name, image in images.items():
        yield name, part(locked, image["packages"], frozenset(image.get("without", ())))
    yield BUILD, part(blocks((ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")), ["hatchling"])


def blocks(lock: str) -> dict[str, str]:
    """A lock's entries by name: the requirement and its hashes."""
    entries = re.findall(r"(?m)^[A-Za-z0-9].*(?:\n[ \t]+.*)*\n?", lock)
    return {canonicalize_name(re.split(r"[=<>;\s\[]", entry, maxsplit=1)[0]): entry for entry in entries}


def part(lock: Mapping[str, str], packages: Iterable[str], without: frozenset[str] = frozenset()) -> str:
    """The entries of all that `packages` need, and of nothing else."""
    names = {found for found in closure(packages, without) if not found.startswith("visapi")}
    if missing := sorted(names - lock.keys()):
        raise SystemExit(f"image_locks: the lock has no {', '.join(missing)}")
    return "".join(f"{lock[name].rstrip()}\n" for name in sorted(names))


def closure(packages: Iterable[str], without: frozenset[str]) -> set[str]:
    waiting = [(canonicalize_name(name), frozenset[str]()) for name in packages]
    seen = set[tuple[str, frozenset[str]]]()
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        waiting += [need for need in _needs(distribution(wanted[0]), wanted[1]) if need[0] not in without]
    return {name for name, _ in seen}


def _needs(found: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for requirement in map(Requirement, found.requires or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**LINUX, "extra": extra}) for extra in extras or {""}):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
