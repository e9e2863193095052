"""Where the command line's texts leave for a terminal.

Many of the texts come from others: outputs and errors of runs, names, mails, log lines. A terminal obeys
control characters in them, which can move the cursor, hide lines or fill the clipboard. `shown` makes them
visible. A line feed in a text that has one line makes a second line, which reads as the command's own:
`one_line` makes the line feed visible, too.
"""

import re
import sys
from collections.abc import Iterable
from textwrap import indent
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

_OBEYED = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)"
)
"""C0 without tab and line feed, DEL, C1, marks and overrides of the direction of text, halves of surrogate
pairs.
"""
_LINE_FEED = r"\u000a"


def shown(text: str) -> str:
    """The text with an escape of JSON in place of each character that a terminal would obey; so JSON keeps
    its value.
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str | Text) -> str | Text:
    """The text with an escape of JSON in place of each line feed."""
    if isinstance(text, str):
        return text.replace("\n", _LINE_FEED)
    return Text(_LINE_FEED).join(text.split("\n", allow_blank=True)) if "\n" in text.plain else text


class Terminal(Console):
    """A console that prints what `shown` leaves: a text with `print` as one line, and with `print_block` with
    its line feeds. It reads no markup.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def print(self, *objects: Any, **options: Any) -> None:
        """As any console; each text is one line."""
        lines = (one_line(each) if isinstance(each, str | Text) else each for each in objects)
        super().print(*lines, **options)

    def print_block(self, text: str) -> None:
        """Print a text that may have several lines."""
        super().print(Text(text))

    def print_error(self, text: str) -> None:
        """Print an error of this program itself, which may end with lines of a log; those are indented."""
        first, _, rest = text.partition("\n")
        self.print(Text.assemble(("error: ", "bold red"), first))
        if rest:
            self.print_block(indent(rest, "  "))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As any console; the control codes of the console itself stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)


def write(text: str) -> None:
    """Write a text to stdout."""
    sys.stdout.write(shown(text))
    sys.stdout.flush()


def write_content(content: bytes) -> None:
    """Write the content of a file to stdout: its bytes to a pipe or a file, its text to a terminal."""
    if sys.stdout.isatty():
        write(content.decode("utf-8", "replace"))
    else:
        sys.stdout.buffer.write(content)
