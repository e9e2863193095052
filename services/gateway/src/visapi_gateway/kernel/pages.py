"""Pages of rows. A store reads one row more than the page has; that row shows that another page follows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

_Row = TypeVar("_Row")


def one_page(
    rows: Sequence[_Row], limit: int, position: Callable[[_Row], str]
) -> tuple[list[_Row], str | None]:
    """The rows of a page, and the `position` of its last row, from which the next page continues; None where
    no page follows. `rows` are at most `limit + 1`.
    """
    return list(rows[:limit]), position(rows[limit - 1]) if len(rows) > limit else None
