"""Types of webhooks to endpoints, and patterns that choose among them."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.endpoint_types import (
    RUN_TYPES,
    TASK_TYPES,
    TextPatterns,
    Wants,
    mistake_in_type,
    wants_of,
    webhook_body,
)

TEXT = st.text("ab.", max_size=6)
PATTERN = st.builds(lambda text, star: text + star, TEXT, st.sampled_from(["", "*"])).filter(bool)


@given(st.one_of(st.none(), st.lists(PATTERN, min_size=1, max_size=5)), TEXT)
def test_a_last_star_stands_for_anything_and_nothing_else_does(patterns: list[str] | None, text: str):
    expected = patterns is None or any(
        re.fullmatch(re.escape(one.removesuffix("*")) + (".*" if one.endswith("*") else ""), text)
        for one in patterns
    )
    assert TextPatterns(patterns).fit(text) == expected


@pytest.mark.parametrize(
    ("types", "wants"),
    [
        (["run.completed"], Wants.RUNS),
        (["task.*", "run.*"], Wants.RUNS | Wants.TASKS),
        (["event.order.paid"], Wants.EVENTS),
        (["*"], Wants.RUNS | Wants.TASKS | Wants.EVENTS),
    ],
)
def test_what_an_endpoint_wants_to_know_of_follows_from_its_types(types: list[str], wants: Wants):
    assert [mistake_in_type(one) for one in types] == [None] * len(types)
    assert wants_of(types) == wants


@given(st.sampled_from(sorted(RUN_TYPES | TASK_TYPES)), st.integers(4, 30))
def test_what_a_type_begins_with_is_accepted_with_a_star_and_wants_the_type(type_: str, length: int):
    stem = type_[: max(length, type_.index(".") + 1)]
    assert mistake_in_type(stem + "*") is None
    assert TextPatterns([stem + "*"]).fit(type_)
    assert wants_of([stem + "*"]) == wants_of([type_]) != Wants(0)
    assert (mistake_in_type(stem) is None) == (stem == type_)


@pytest.mark.parametrize(
    "pattern", ["", "run", "runs.*", "event.", "order.paid", "**", "run.x*", "task.done"]
)
def test_a_type_that_nothing_can_have_is_explained(pattern: str):
    mistake = mistake_in_type(pattern)
    assert mistake is not None
    assert "run.completed" in mistake


def test_the_body_is_json_around_the_data_as_it_was_stored():
    body = webhook_body("event.a", datetime(2026, 3, 1, 1, 2, 3, tzinfo=UTC), b'{"big":1e400,"n":1.0}')
    assert body == b'{"type":"event.a","timestamp":"2026-03-01T01:02:03Z","data":{"big":1e400,"n":1.0}}'
    assert json.loads(body)["data"]["n"] == 1.0
