from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from visapi.stack import log_files
from visapi.stack.log_files import KEPT_BYTES, PIECE_BYTES, LogFile

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.log"


def test_a_log_that_grows_while_its_process_runs_is_cut_and_goes_on_from_its_start(path: Path) -> None:
    log = LogFile(path)
    log.begin(NOW)
    with path.open("ab", buffering=0) as process:
        process.write(b"x" * PIECE_BYTES + b"long")
        log.bound(NOW)
        process.write(b"next")
    assert path.read_bytes() == b"next"
    assert [piece.stat().st_size for piece in log.pieces()] == [PIECE_BYTES + 4]
    assert log.pieces()[0].stat().st_mode & 0o777 == 0o600


def test_a_log_within_its_bounds_is_left_alone(path: Path) -> None:
    path.write_bytes(b"today")
    log = LogFile(path)
    log.begin(NOW)
    log.bound(NOW)
    assert path.read_bytes() == b"today"
    assert log.pieces() == []


def test_a_log_holds_the_lines_of_one_day_only(path: Path) -> None:
    path.write_bytes(b"today")
    log = LogFile(path)
    log.begin(NOW)
    log.bound(NOW + DAY)
    assert path.read_bytes() == b""
    assert [piece.read_bytes() for piece in log.pieces()] == [b"today"]


def test_a_log_of_an_earlier_day_is_cut_when_its_process_starts(path: Path) -> None:
    path.write_bytes(b"today")
    log = LogFile(path)
    log.begin(NOW + DAY)
    assert [piece.read_bytes() for piece in log.pieces()] == [b"today"]


def test_no_line_is_kept_for_more_than_30_days(path: Path) -> None:
    path.write_bytes(b"first day")
    log = LogFile(path)
    log.begin(NOW)
    for day in range(1, 60):
        log.bound(NOW + day * DAY)
        assert day < 30 or all(b"first" not in piece.read_bytes() for piece in log.pieces())
        with path.open("ab") as process:
            process.write(b"day %d" % day)
    assert len(log.pieces()) == 29


def test_the_oldest_pieces_go_when_all_of_them_take_too_much(path: Path) -> None:
    log = LogFile(path)
    log.begin(NOW)
    for number in range(6):
        with path.open("ab") as process:
            process.write(b"%d" % number + b"x" * PIECE_BYTES)
        log.bound(NOW + timedelta(seconds=number))
    pieces = log.pieces()
    assert sum(piece.stat().st_size for piece in pieces) <= KEPT_BYTES
    assert pieces
    assert pieces[-1].read_bytes()[:1] == b"5"


def test_a_log_that_cannot_be_copied_is_emptied_all_the_same(path: Path) -> None:
    path.write_bytes(b"x" * (PIECE_BYTES + 1))
    log = LogFile(path)
    # A folder where the piece would lie: copying fails as it does on a full disk.
    path.with_name(f"{path.name}.{NOW.strftime(log_files._STAMP)}").mkdir()
    log.bound(NOW)
    assert path.read_bytes() == b""
