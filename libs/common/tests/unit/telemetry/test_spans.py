from collections.abc import Sequence

import pytest

from visapi_common.telemetry import propagation
from visapi_common.telemetry.spans import Kind, Span, Spans, UnrecordedSpan, Value

SAMPLED = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
UNSAMPLED = "00-" + "1" * 32 + "-" + "2" * 16 + "-00"


class Opened:
    def __init__(self, name: str, parent: str | None) -> None:
        self.name = name
        self.parent = parent
        self.traceparent = "00-" + (parent or SAMPLED)[3:35] + "-" + "3" * 16 + "-01"
        self.values: dict[str, Value] = {}
        self.error: str | None = None
        self.ended = False

    def set(self, name: str, value: Value) -> None:
        self.values[name] = value

    def fail(self, error: str) -> None:
        self.error = error

    def end(self) -> None:
        self.ended = True


class Recorder:
    def __init__(self) -> None:
        self.opened: list[Opened] = []

    def open(self, name: str, kind: Kind, parent: str | None, links: Sequence[str]) -> Span:
        self.opened.append(Opened(name, parent))
        return self.opened[-1]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_an_unsampled_parent_is_passed_on_and_nothing_is_opened(recorder: Recorder):
    with Spans(recorder, 1.0).span("work", parent=UNSAMPLED) as span:
        assert span.traceparent == UNSAMPLED
        assert isinstance(span, UnrecordedSpan)
    assert recorder.opened == []


def test_a_sampled_parent_is_recorded_whatever_our_own_share(recorder: Recorder):
    with Spans(recorder, 0.0).span("work", parent=SAMPLED):
        pass
    assert [opened.parent for opened in recorder.opened] == [SAMPLED]
    assert recorder.opened[0].ended


def test_a_root_that_loses_the_draw_tells_everybody_after_it(recorder: Recorder):
    span = Spans(recorder, 0.0).open("work")
    assert propagation.is_valid(span.traceparent)
    assert not propagation.is_sampled(span.traceparent)


def test_a_root_that_wins_the_draw_is_recorded(recorder: Recorder):
    Spans(recorder, 1.0).open("work").end()
    assert [opened.parent for opened in recorder.opened] == [None]


def test_without_a_recorder_a_callers_trace_goes_through_untouched():
    assert Spans().open("work", parent=SAMPLED).traceparent == SAMPLED


def test_spans_inside_a_block_are_its_children(recorder: Recorder):
    spans = Spans(recorder, 1.0)
    with spans.span("outer") as outer, spans.span("inner"):
        pass
    assert recorder.opened[1].parent == outer.traceparent
    assert propagation.current() is None


def test_an_exception_marks_the_span_with_its_kind_only(recorder: Recorder):
    with pytest.raises(ValueError), Spans(recorder, 1.0).span("work"):
        raise ValueError("holds a customer's name")
    assert recorder.opened[0].error == "ValueError"
    assert recorder.opened[0].ended


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "00-" + "0" * 32 + "-" + "2" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "ff" + SAMPLED[2:],
        SAMPLED.upper() + "Z",
    ],
)
def test_an_invalid_traceparent_is_known(text: str):
    assert not propagation.is_valid(text)


def test_a_sampled_traceparent_is_valid():
    assert propagation.is_valid(SAMPLED)
