"""Golden sessions: for every construct, the events that come in and what the machine answers."""

import os

import pytest

from simulation.golden import FOLDER, Golden

NAMES = sorted(path.stem for path in FOLDER.glob("*.session"))
FREEZE = os.environ.get("VISAPI_TEST_FREEZE") == "1"


@pytest.mark.parametrize("name", NAMES)
def test_a_session_goes_as_it_is_written(name: str) -> None:
    path = FOLDER / f"{name}.session"
    written = path.read_text()
    played, _ = Golden(written).play()
    if FREEZE:
        path.write_text(played)
        return
    assert played == written
