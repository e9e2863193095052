"""The short form of the suite, and the full one.

`make test` runs one variant of each sort; tests marked `full` are for `make attacks`, `make faults`, `make runbooks` and
`make restore-test`, which try all.
"""

import os
from collections.abc import Collection, Iterable
from typing import Any

import pytest

FULL = (
    "full" in {os.environ.get(f"VISAPI_TEST_{which}") for which in ("ATTACKS", "DRILLS", "LOAD")}
    or "VISAPI_TEST_FAULT_RUNS" in os.environ
)


def variants(names: Iterable[str], *, short: Collection[str]) -> list[Any]:
    """Parameters, of which the short form runs those in `short`."""
    names = list(names)
    unknown = set(short) - set(names)
    assert not unknown, f"there is no variant {unknown}"
    return [pytest.param(name, marks=() if name in short else pytest.mark.full) for name in names]


def skip_full(items: Iterable[pytest.Item]) -> None:
    """Skip what only the full form runs, in the short one."""
    if FULL:
        return
    for item in items:
        if item.get_closest_marker("full") is not None:
            item.add_marker(
                pytest.mark.skip(
                    "in the full form only: make attacks, make faults, make runbooks, make restore-test"
                )
            )
