"""Shows mistakes in their source: `file:line:column: message`, the line, a caret."""

from collections.abc import Iterable
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text

from visapi.cli.output import errors
from visapi_common.contracts.problems import FieldError

WIDTH_MAX = 120
"""Of a line that is shown; of a longer one, what stands around the place."""
_TAB = "    "


def show_in_source(file: Path, found: Iterable[FieldError], *, word: str, style: str) -> None:
    """Each finding in the order of the text; one without a place comes first."""
    lines = file.read_bytes().decode("utf-8-sig", errors="replace").split("\n")
    for finding in sorted(found, key=lambda finding: (finding.line or 0, finding.column or 0)):
        _show(file, lines, finding, Text(f"{word}: ", style=style))


def _show(file: Path, lines: list[str], finding: FieldError, word: Text) -> None:
    at = f" ({finding.pointer})" if finding.pointer else ""
    if finding.line is None or finding.column is None:
        errors().print(Text.assemble((f"{file}: ", "bold"), word, finding.detail, (at, "dim")))
        return
    place = f"{file}:{finding.line}:{finding.column}: "
    errors().print(Text.assemble((place, "bold"), word, finding.detail, (at, "dim")))
    if finding.line <= len(lines):
        shown, column = _around(lines[finding.line - 1].rstrip("\r"), finding.column - 1)
        errors().print(Text(shown.replace("\t", _TAB)))
        errors().print(Text.assemble(_padding(shown[:column]), ("^", "bold green")))


def _around(line: str, column: int) -> tuple[str, int]:
    """The part of a line to show, and where the place is in it."""
    begin = 0 if len(line) <= WIDTH_MAX else max(0, column - WIDTH_MAX // 2)
    return line[begin : begin + WIDTH_MAX], column - begin


def _padding(before: str) -> str:
    """As wide as what stands before."""
    return " " * cell_len(before.replace("\t", _TAB))
