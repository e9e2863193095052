"""The embedded stack for all tests of a file."""

from collections.abc import Iterator

import pytest

from kit.stack import StackProcess


@pytest.fixture(scope="module")
def stack() -> Iterator[StackProcess]:
    made = StackProcess()
    try:
        made.start()
        yield made
    finally:
        made.close()
