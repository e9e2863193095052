import io
import logging
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from visapi_common.telemetry import propagation
from visapi_common.telemetry.logs import configure_logging, get_logger

TRACE = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out = io.StringIO()
    configure_logging("example", "info", out)
    yield out
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def last(lines: io.StringIO) -> dict[str, object]:
    return msgspec.json.decode(lines.getvalue().splitlines()[-1], type=dict[str, object])


def test_a_record_is_one_json_object_with_its_service_part_and_trace(lines: io.StringIO):
    with propagation.under(TRACE):
        get_logger("relay").info("sent", bytes=12)
    record = last(lines)
    assert record.pop("time")
    assert record == {
        "event": "sent",
        "bytes": 12,
        "level": "info",
        "service": "example",
        "part": "relay",
        "trace_id": "1" * 32,
        "span_id": "2" * 16,
    }


def test_records_of_libraries_take_the_same_path(lines: io.StringIO):
    logging.getLogger("some.library").warning("got %s", "Bearer abcdef0123456789")
    record = last(lines)
    assert record["event"] == "got Bearer ***"
    assert record["part"] == "some.library"


def test_what_is_below_the_level_is_not_written(lines: io.StringIO):
    get_logger("x").debug("detail")
    assert lines.getvalue() == ""


def test_an_exception_is_one_line_with_its_secrets_masked(lines: io.StringIO):
    try:
        raise RuntimeError("postgresql://app:hunter22@db/visapi refused")
    except RuntimeError:
        get_logger("x").exception("failed")
    assert len(lines.getvalue().splitlines()) == 1
    assert "hunter22" not in lines.getvalue()
    assert "RuntimeError" in str(last(lines)["exception"])


def test_a_value_that_json_does_not_know_is_shown_not_lost(lines: io.StringIO):
    get_logger("x").info("odd", value=object)
    assert last(lines)["value"] == "<class 'object'>"
