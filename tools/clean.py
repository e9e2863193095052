"""Remove what `make` built: the environment, caches, and the data of a stopped embedded stack."""

import fcntl
import shutil
import sys
from pathlib import Path

CACHES = (
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".import_linter_cache",
    "bench/out",
    ".images",
    ".tools",
    ".upgrade",
)


def main() -> int:
    environment, data = (Path(argument) for argument in sys.argv[1:])
    if in_use(data):
        sys.stderr.write(
            f"clean: a stack still runs on {data}; stop it first: {environment}/bin/visapi down\n"
        )
        return 1
    for stack in (data / "demo", data):
        remove_cluster(stack / "postgres")
    for path in (data, environment, *map(Path, CACHES)):
        shutil.rmtree(path, ignore_errors=True)
    for cache in Path().rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    return 0


def in_use(data: Path) -> bool:
    """Whether a supervisor holds the lock of the data directory or of the demo's inside it."""
    for lock in (data / "lock", data / "demo" / "lock"):
        if lock.exists():
            with lock.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
    return False


def remove_cluster(link: Path) -> None:
    """The database's files may lie elsewhere, behind a link (see `visapi.stack.postgres`)."""
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()


if __name__ == "__main__":
    sys.exit(main())
