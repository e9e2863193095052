"""Query strings of every operation: each text is what it says, and nothing ends the process."""

import contextlib
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_gateway.kernel.api.query import QueryError, read_query
from visapi_gateway.slices import operations

STRUCTS = sorted(
    {operation.query for operation in operations() if operation.query}, key=lambda one: one.__name__
)
PARAMETERS = [(struct, field.name) for struct in STRUCTS for field in msgspec.structs.fields(struct)]


@pytest.mark.parametrize(("struct", "name"), PARAMETERS)
@pytest.mark.parametrize("text", ["null", "NULL", "Null", "None", "undefined", ""])
def test_no_text_stands_for_an_absent_parameter(struct: Any, name: str, text: str) -> None:
    try:
        value = getattr(read_query(f"{name}={text}".encode(), struct), name)
    except QueryError:
        return
    assert value in (text, [text])


@pytest.mark.parametrize("struct", [None, *STRUCTS])
@pytest.mark.parametrize("raw", [b"", b"&", b"&&&"])
def test_an_empty_query_in_any_spelling_is_no_query(struct: Any, raw: bytes) -> None:
    assert read_query(raw, struct) == (None if struct is None else struct())


@given(struct=st.sampled_from([None, *STRUCTS]), raw=st.binary(max_size=60))
def test_any_bytes_are_a_query_or_an_error(struct: Any, raw: bytes) -> None:
    with contextlib.suppress(QueryError):
        read_query(raw, struct)


@given(
    parameter=st.sampled_from(PARAMETERS),
    text=st.text(alphabet="0123456789+-.eEnultrafsTZ:%&=_é", max_size=20),
)
def test_any_text_of_a_known_parameter_is_a_value_or_an_error(parameter: Any, text: str) -> None:
    struct, name = parameter
    with contextlib.suppress(QueryError):
        read_query(f"{name}={text}".encode("ascii", "ignore"), struct)


@pytest.mark.parametrize("text", ["1e2", "1.0", "%2B1", "01", "1_0", "%201", "0x1", "%EF%BC%91"])
def test_an_integer_is_written_in_digits(text: str) -> None:
    class Page(msgspec.Struct):
        limit: int | None = None

    with pytest.raises(QueryError, match="'limit' is wrong: write an integer in digits"):
        read_query(f"limit={text}".encode(), Page)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("100", 100), ("-5", -5)])
def test_digits_are_an_integer(text: str, value: int) -> None:
    class Page(msgspec.Struct):
        limit: int | None = None

    assert read_query(f"limit={text}".encode(), Page).limit == value


def test_a_number_is_no_time() -> None:
    runs = next(struct for struct in STRUCTS if struct.__name__ == "RunsQuery")
    with pytest.raises(QueryError, match="created_after"):
        read_query(b"created_after=5", runs)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_has_no_form_in_utc_is_refused(text: str) -> None:
    class Since(msgspec.Struct):
        since: datetime | None = None

    with pytest.raises(QueryError, match="'since' is wrong"):
        read_query(f"since={text.replace('+', '%2B')}".encode(), Since)
