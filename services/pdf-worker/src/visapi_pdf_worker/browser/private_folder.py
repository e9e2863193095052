"""The folder of one PDF worker: Chromium's launcher, profiles and temporary files.

It is removed at the end. A worker that was killed cannot do that, so each one removes at its start the
folders whose owner is gone, which the lock on a file in them tells.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "visapi-pdf-"
_LOCK = "lock"


@contextmanager
def private_folder(parent: Path | None = None) -> Generator[Path]:
    """A new folder below `parent` (default: the system's temporary one); `TMPDIR` leads into it meanwhile."""
    parent = parent or Path(tempfile.gettempdir())
    sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    before = os.environ.get("TMPDIR")
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Chromium, under another account, passes through to its profile and sees nothing else.
        folder.chmod(0o711)
        (folder / "tmp").mkdir()
        (folder / "tmp").chmod(0o711)
        os.environ["TMPDIR"] = str(folder / "tmp")
        yield folder
    finally:
        if before is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def sweep(parent: Path) -> None:
    """Remove the folders of workers that are gone."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            # Another account's, or one that is being made or removed at this moment.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
