import io
import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.resources import Resource

from visapi_common.telemetry import propagation
from visapi_common.telemetry.logs import configure_logging, get_logger
from visapi_common.telemetry.otlp.logs import LogsExport

TRACE, SPAN = "1" * 32, "2" * 16


class Logged:
    """Lines on standard output, and the records that were exported."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self._sent = InMemoryLogRecordExporter()
        self._export = LogsExport(Resource({"service.name": "test"}), self._sent)
        configure_logging("test", "info", self.out).send = self._export.emit

    def records(self) -> list[Any]:
        """What was exported; nothing can be exported afterwards."""
        self._export.shutdown()
        return [one.log_record for one in self._sent.get_finished_logs()]


@pytest.fixture
def logged() -> Logged:
    return Logged()


def test_a_record_carries_its_trace_its_level_and_its_fields(logged: Logged):
    with propagation.under(f"00-{TRACE}-{SPAN}-01"):
        get_logger("part").warning("late", seconds=3, tags=["a"])
    (record,) = logged.records()
    assert (record.body, record.severity_text) == ("late", "warning")
    assert (f"{record.trace_id:032x}", f"{record.span_id:016x}") == (TRACE, SPAN)
    assert dict(record.attributes) == {"part": "part", "seconds": 3, "tags": '["a"]', "service": "test"}
    assert json.loads(logged.out.getvalue())["event"] == "late"


def test_a_record_outside_of_a_trace_has_none(logged: Logged):
    get_logger("part").info("plain")
    (record,) = logged.records()
    assert not record.trace_id


def test_a_secret_is_masked_before_it_leaves(logged: Logged):
    get_logger("part").info("key", authorization="Bearer visapi_live_1234567890")
    (record,) = logged.records()
    assert "1234567890" not in repr(record.attributes)


def test_what_a_library_logged_leaves_only_redacted(logged: Logged):
    logging.getLogger("library").warning("lost nats://user:hidden-word@host:4222")
    (record,) = logged.records()
    assert record.body == "lost nats://user:***@host:4222"
    assert dict(record.attributes) == {"part": "library", "service": "test"}


def test_a_failed_export_is_not_exported(logged: Logged):
    get_logger("opentelemetry.exporter").warning("the receiver is away")
    assert logged.records() == []
    assert "away" in logged.out.getvalue()
