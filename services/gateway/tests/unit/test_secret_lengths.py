"""What cannot be told from ordinary text is refused as a secret, unless that was declared."""

from typing import Any

import pytest

from visapi_common.core.errors import ProblemError
from visapi_gateway.secrets.service import check_length


def pointers(value: Any) -> list[str]:
    with pytest.raises(ProblemError) as caught:
        check_length(value, short=False)
    assert caught.value.status == 400
    return [error.pointer for error in caught.value.errors or []]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("1234567", [""]),
        ("", [""]),
        (1234567, [""]),
        ({"username": "ada", "password": "short"}, ["/password"]),
        ({"a/b": ["long enough", "x"]}, ["/a~1b/1"]),
        ({"id": {"pin": "1234"}}, ["/id/pin"]),
    ],
)
def test_a_short_text_or_number_is_refused_where_it_stands(value: Any, where: list[str]) -> None:
    assert pointers(value) == where
    check_length(value, short=True)


@pytest.mark.parametrize(
    "value", ["12345678", 12345678, {"user": "ada", "password": "lovelace"}, {"on": True, "none": None}]
)
def test_what_is_long_enough_or_a_name_is_taken(value: Any) -> None:
    check_length(value, short=False)


def test_a_secret_of_very_many_texts_is_refused() -> None:
    with pytest.raises(ProblemError, match="at most 100"):
        check_length([f"long enough {number}" for number in range(101)], short=True)
