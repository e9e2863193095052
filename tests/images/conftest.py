"""The built images. `make images` builds them and then runs these tests."""

import shutil

import pytest

from kit.images import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    program = next((name for name in ("docker", "podman") if shutil.which(name)), None)
    assert program, "needs docker or podman; on Debian: apt-get install podman"
    return Engine(program)
