"""Each family of the catalogue is seen moving by a test: a metric that nobody has seen moving may stand still for ever."""

from pathlib import Path

import pytest

from kit.moving_families import moved_in
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import Instrument

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = {
    attribute: instrument.name
    for declaring in Metrics.__mro__
    for attribute, instrument in vars(declaring).items()
    if isinstance(instrument, Instrument)
}
FOLDERS = ("libs/*/tests", "services/*/tests", "tests")
NOT_RUN = (
    "tests/alerts",
    "tests/gamedays",
    "tests/deploy",
    "tests/contract",
    "tests/upgrade",
    "tests/images",
)
"""Tests that `make test` leaves out, or that say nothing of the values of metrics."""


def sources() -> list[Path]:
    found = {path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/test_*.py")}
    return sorted(path for path in found if not str(path.relative_to(ROOT)).startswith(NOT_RUN))


def test_every_family_is_seen_moving():
    moved = {family for path in sources() for family in moved_in(path.read_text(), FAMILIES)}
    unseen = sorted(set(FAMILIES.values()) - moved)
    assert not unseen, f"no test sees these move: {', '.join(unseen)}"
    assert len(FAMILIES) >= 60


@pytest.mark.parametrize(
    ("body", "moves"),
    [
        ("assert read('visapi_sweeps_total') == 1", True),
        ("assert read('visapi_sweeps_total') > 0", True),
        ("assert metrics.sweeps._value.get() == 2", True),
        ("assert counted(metrics) == 2", True),
        ("assert not missing(ROWS)", True),
        ("name = 'visapi_sweeps_total'\n    assert read(name) >= 1", True),
        ("await eventually(lambda: read('visapi_sweeps_total') == 3)", True),
        ("assert read('visapi_sweeps_total') == 0", False),
        ("assert read('visapi_sweeps_total') is None", False),
        ("await holds(gateway, 'visapi_sweeps_total', 0)", False),
        ("read('visapi_sweeps_total')", False),
        ("name = 'visapi_sweeps_total'", False),
        ("assert read('visapi_sweeps') == 1", False),
        ("assert world.sweeps == 1", False),
    ],
)
def test_what_moves_is_told_from_what_is_only_named(body: str, moves: bool):
    source = f"""
ROWS = [("visapi_sweeps_total", 1)]
def counted(metrics):
    return metrics.registry.get_sample_value("visapi_sweeps_total")
def test_it():
    {body}
"""
    assert moved_in(source, FAMILIES) == ({"visapi_sweeps_total"} if moves else set())
