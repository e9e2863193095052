"""Which part of a file a request wants."""

import pytest

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.api.ranges import content_range, wanted_range

TAG = '"a"'


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None), ("bytes=0-0", (0, 1)), ("bytes=0-", (0, 10)), ("bytes=3-5", (3, 6)), ("bytes=3-99", (3, 10)),
        ("bytes=-3", (7, 10)), ("bytes=-99", (0, 10)), ("BYTES=1-1", (1, 2)), ("bytes= 1-1 ", (1, 2)), ("bytes=5-4", None),
        ("bytes=-", None), ("bytes", None), ("bytes=a-b", None), ("bytes=0-1,2-3", None), ("items=0-1", None),
        ("bytes=0-1-2", None), ("bytes=1_0-", None), ("bytes=\u0661-", None), ("bytes=" + "1" * 30 + "-", None),
    ],
)  # fmt: skip
def test_one_range_that_can_be_read_is_a_part(header: str | None, part: tuple[int, int] | None) -> None:
    assert wanted_range(header, None, TAG, 10) == part


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_a_range_without_a_byte_is_refused(header: str, size: int) -> None:
    with pytest.raises(ProblemError) as refused:
        wanted_range(header, None, TAG, size)
    assert (refused.value.status, refused.value.headers) == (416, {"Content-Range": f"bytes */{size}"})


@pytest.mark.parametrize(
    ("if_range", "part"), [(TAG, (0, 2)), (' "a" ', (0, 2)), ('W/"a"', None), ('"b"', None)]
)
def test_a_range_of_another_state_is_the_whole(if_range: str, part: tuple[int, int] | None) -> None:
    assert wanted_range("bytes=0-1", if_range, TAG, 10) == part
    assert wanted_range("bytes=99-", '"b"', TAG, 10) is None


def test_a_part_says_where_it_stands() -> None:
    assert content_range((3, 6), 10) == b"bytes 3-5/10"
