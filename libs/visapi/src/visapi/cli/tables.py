"""Tables without lines: one row, one line, whatever the width of the terminal.

Cells are never folded, so ids can be copied and columns can be read by `awk`, at 80 columns and in a pipe.
On a terminal that is too narrow the columns named as `elastic` are shortened with `…`; in a pipe nothing is.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from visapi.cli.output import console
from visapi.cli.terminal import shown

_GAP = 2
_NARROWEST = 8
"""Of an elastic column that is shortened."""


class Table:
    """Columns with a heading, or without one where all names are empty."""

    def __init__(self, *columns: str, elastic: Sequence[str] = ()) -> None:
        self._columns = columns
        self._elastic = [columns.index(name) for name in elastic]
        self._rows: list[list[Text]] = []

    def add_row(self, *cells: str | Text) -> None:
        self._rows.append([_one_line(cell) for cell in cells])

    def show(self, to: Console | None = None) -> None:
        out = to or console()
        heading = [Text(name.upper(), style="dim") for name in self._columns]
        rows = [heading, *self._rows] if any(self._columns) else self._rows
        widths = self._widths(rows, out.width if out.is_terminal else None)
        for row in rows:
            out.print(_line(row, widths))

    def _widths(self, rows: Sequence[Sequence[Text]], available: int | None) -> list[int]:
        widths = [max(row[column].cell_len for row in rows) for column in range(len(self._columns))]
        if available is None:
            return widths
        excess = sum(widths) + _GAP * (len(widths) - 1) - available
        for column in sorted(self._elastic, key=lambda column: -widths[column]):
            given = min(max(excess, 0), max(widths[column] - _NARROWEST, 0))
            widths[column] -= given
            excess -= given
        return widths


def _one_line(cell: str | Text) -> Text:
    if isinstance(cell, str):
        return Text(shown(" ".join(cell.splitlines())))
    return cell


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
        shown = cell
        if cell.cell_len > width:
            shown = Text(set_cell_size(cell.plain, width - 1) + "…", style=cell.style)
        line.append_text(shown)
        if number < len(widths) - 1:
            line.append(" " * (width - cell_len(shown.plain) + _GAP))
    line.rstrip()
    return line
