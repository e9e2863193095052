"""Build the virtual environment from the locked, hashed requirements, and find a Chromium.

Run by `make setup` with any Python 3.11+; uses the standard library only. A stamp in the
environment, keyed on what it was built from, makes a second run immediate.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

LOCK = Path("requirements/dev.lock")
PYTHON_MIN = (3, 11)
QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INPUT": "1"}


class SetupError(Exception):
    """The environment cannot be built; the message says how to mend it."""


def main() -> int:
    environment, *packages = sys.argv[1:]
    try:
        set_up(Path(environment), [Path(package) for package in packages])
    except SetupError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    return 0


def set_up(environment: Path, packages: list[Path]) -> None:
    """Make `environment` hold the locked packages and ours, editable."""
    if sys.version_info < PYTHON_MIN:
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; set PYTHON=python3.12, say"
        )
    python = environment / "bin" / "python"
    stamp = environment / ".visapi-setup"
    key = fingerprint(packages)
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == key and python.exists()):
        say("building the environment (a minute or two the first time)")
        build(environment, python, packages)
        stamp.write_text(key, encoding="utf-8")
    run(
        [str(python), str(Path(__file__).with_name("ensure_chromium.py"))],
        "no Chromium could be found or installed",
    )


def fingerprint(packages: list[Path]) -> str:
    """What the environment depends on: the lock, our package metadata, this Python, this folder."""
    digest = hashlib.sha256(f"{sys.version} {Path.cwd()}".encode())
    for path in (LOCK, *(package / "pyproject.toml" for package in packages)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(environment: Path, python: Path, packages: list[Path]) -> None:
    if not python.exists():
        create(environment)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--quiet"]
    run(
        [*pip, "--require-hashes", "--no-deps", "-r", str(LOCK)], "the locked packages could not be installed"
    )
    editable = [part for package in packages for part in ("--editable", str(package))]
    run([*pip, "--no-deps", "--no-build-isolation", *editable], "our own packages could not be installed")


def create(environment: Path) -> None:
    try:
        venv.create(environment, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(
            f"cannot make {environment}: {error}; on Debian: apt-get install python3-venv"
        ) from error


def run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, **QUIET})
    if done.returncode != 0:
        raise SetupError(f"{failure}; the lines above say why")


def say(text: str) -> None:
    sys.stdout.write(f"setup: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
