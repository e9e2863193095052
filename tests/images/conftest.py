"""The built images. `make images` builds them and then runs these tests."""

import shutil
import subprocess

import pytest

from kit.images import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    program = next((name for name in ("docker", "podman") if answers(name)), None)
    assert program, "needs docker with a daemon that runs, or podman; on Debian: apt-get install podman"
    return Engine(program)


def answers(program: str) -> bool:
    """Whether it is installed, and its daemon answers, if it has one."""
    found = shutil.which(program)
    return (
        found is not None
        and subprocess.run([found, "info"], check=False, capture_output=True).returncode == 0
    )
