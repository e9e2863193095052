"""Programs that `make deploy-tools` put into `.tools/`. A check whose program is missing fails."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"


OF_THE_MACHINE = {"node": "nodejs", "gpg": "gnupg"}
"""Programs that a machine has by itself, with their Debian packages."""


def tool(name: str) -> Path:
    """The program; fails the check when `make deploy-tools` did not install it."""
    if name in OF_THE_MACHINE:
        found = shutil.which(name)
        if found is None:
            pytest.fail(f"{name} is missing: apt-get install {OF_THE_MACHINE[name]}", pytrace=False)
        return Path(found)
    path = TOOLS / "bin" / name
    if not path.exists():
        pytest.fail(f"{name} is not installed: run `make deploy-tools`", pytrace=False)
    # One hop only: an interpreter finds its environment by the path that it was started with.
    return path.parent / path.readlink()


def cannot_run_here(reason: str) -> NoReturn:
    """Skip a check that this kind of machine cannot run; the reason is printed at the end."""
    pytest.skip(f"CANNOT RUN HERE: {reason}")


def run(
    name: str,
    *arguments: str | Path,
    stdin: str | None = None,
    cwd: Path = ROOT,
    environ: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; the caller reads its exit code."""
    return subprocess.run(
        [tool(name), *arguments], input=stdin, cwd=cwd, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}", **(environ or {})},
    )  # fmt: skip


def ask(name: str, script: Path, question: Any, *options: str) -> Any:
    """Hand JSON to a script that runs in a tool's own environment, and read its JSON answer."""
    done = run(name, script, *options, stdin=json.dumps(question))
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)
