"""Named SQL blocks."""

import pytest

from visapi_common.adapters.queries import parse_queries


def test_blocks_are_found_by_name_and_keep_their_comments():
    text = "-- About this file.\n\n-- name: one\n-- why\nselect 1;\n\n-- name: two\nselect 2\n"
    queries = parse_queries(text, where="x.sql")
    assert queries == {"one": "-- one\n-- why\nselect 1", "two": "-- two\nselect 2"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("select 1", "before the first"),
        ("-- name: a\nselect 1\n-- name: a\nselect 2", "twice"),
        ("-- name: a\n\n", "lacks"),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(text: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        parse_queries(text, where="x.sql")
