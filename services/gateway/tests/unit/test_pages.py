"""A page holds at most its limit of rows, and says where the next page continues."""

import pytest

from visapi_gateway.kernel.pages import one_page


@pytest.mark.parametrize(
    ("rows", "page"),
    [([], ([], None)), ([1], ([1], None)), ([1, 2], ([1, 2], None)), ([1, 2, 3], ([1, 2], "2"))],
)
def test_a_page_is_followed_by_another_where_one_row_more_was_read(
    rows: list[int], page: tuple[list[int], str | None]
):
    assert one_page(rows, 2, str) == page
