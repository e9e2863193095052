"""Two releases of VisAPI on one machine: the one of this checkout, and the one before it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

FROM = "VISAPI_TEST_UPGRADE_FROM"
"""The variable that names the folder of the release before, as `tools/previous_release.py` lays it out."""
_COMMAND_S = 120.0


class Release(msgspec.Struct, frozen=True):
    """A checkout with its environment."""

    name: str
    python: Path

    def command(self, *arguments: str, **settings: str) -> str:
        """Run a `visapi` command of this release; what it says. Raises `AssertionError` when it fails."""
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            [str(self.python), "-m", "visapi", *arguments],
            env={**environ, **{name.upper(): value for name, value in settings.items()}},
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: visapi {' '.join(arguments)}: {done.stderr}"
        return done.stdout + done.stderr


def current() -> Release:
    return Release("new", Path(sys.executable))


def previous(environ: Mapping[str, str] = os.environ) -> Release | None:
    """The release before; None where nobody laid it out."""
    folder = environ.get(FROM, "")
    if not folder:
        return None
    python = Path(folder) / ".venv" / "bin" / "python"
    assert python.exists(), (
        f"{FROM} names {folder}, which holds no environment; `make upgrade-test` builds it"
    )
    return Release("old", python)
