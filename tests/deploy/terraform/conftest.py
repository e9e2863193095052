"""One copy of terraform/ with its providers, for all tests of a process."""

import pytest

from kit.terraform import Workspace, make_workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("terraform"))
