"""Filters of runs: what is understood, and what is refused with the reason."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import time_ms_of
from visapi_gateway.runs.reading.rules.filters import (
    AttributeFilter,
    first_id_at,
    ids_beginning,
    read_attributes,
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("customer:c-1", ("customer", ":", "c-1")),
        ("url:http://a/b:c", ("url", ":", "http://a/b:c")),
        ("empty:", ("empty", ":", "")),
        ("amount>=5", ("amount", ">=", 5.0)),
        ("amount<-1.5e3", ("amount", "<", -1500.0)),
    ],
)
def test_an_attribute_is_a_name_an_operator_and_a_value(text: str, meaning: tuple[str, str, str | float]):
    assert read_attributes([text]) == (AttributeFilter(*meaning),)


@pytest.mark.parametrize("text", ["customer", "2x:1", "a b:1", ":x", "amount>=many", ""])
def test_what_is_no_attribute_is_refused(text: str):
    with pytest.raises(ProblemError) as refused:
        read_attributes([text])
    assert (refused.value.status, refused.value.code) == (400, "invalid_query")


def test_only_so_many_attributes_can_be_asked_for():
    with pytest.raises(ProblemError, match="at most 5"):
        read_attributes(["a:1"] * 6)


def test_the_first_id_of_a_time_carries_it():
    time = datetime(2026, 11, 26, 12, 0, 0, 500_000, UTC)
    assert time_ms_of(first_id_at(time)) == round(time.timestamp() * 1000)
    assert first_id_at(datetime(1901, 1, 1, tzinfo=UTC)) == UUID(int=0)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0192", "01920000-0000-0000-0000-000000000000", "0192ffff-ffff-ffff-ffff-ffffffffffff"),
        ("019200AB-1", "019200ab-1000-0000-0000-000000000000", "019200ab-1fff-ffff-ffff-ffffffffffff"),
        ("019200ab-", "019200ab-0000-0000-0000-000000000000", "019200ab-ffff-ffff-ffff-ffffffffffff"),
    ],
)
def test_the_beginning_of_an_id_is_a_range_of_ids(text: str, low: str, high: str):
    assert ids_beginning(text) == (UUID(low), UUID(high))


@pytest.mark.parametrize("text", ["visa", "01-92", "0" * 33, ""])
def test_other_text_begins_no_id(text: str):
    assert ids_beginning(text) is None
