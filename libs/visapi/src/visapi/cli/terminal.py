"""Where the command line's texts leave for a terminal.

Many of the texts come from others: outputs and errors of runs, names, mails, log lines. A terminal obeys
control characters in them, which can move the cursor, hide lines or fill the clipboard. `shown` makes them
visible.
"""

import re
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_OBEYED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")
"""C0 without tab and line feed, DEL, C1, overrides of the direction of text, halves of surrogate pairs."""


def shown(text: str) -> str:
    """The text with an escape of JSON in place of each character that a terminal would obey; so JSON keeps
    its value.
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Terminal(Console):
    """A console that prints what `shown` leaves. It reads no markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)

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
