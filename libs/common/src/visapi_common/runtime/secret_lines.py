"""Secrets of connections, of which two may be valid while they are rotated: one to a line, the newest first.

A secret that a file holds is read from the file again at each connection, so that a rotation needs no
restart.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

LINES_MAX = 4


class FileSecret(str):
    """The text of a secret, and the file that it was read from."""

    __slots__ = ("path",)
    path: Path

    def __new__(cls, text: str, path: Path) -> Self:
        made = super().__new__(cls, text)
        made.path = path
        return made


def lines(secret: str | None) -> Sequence[str]:
    """The current values of a secret, at most four. When the file cannot be read or is empty, the previous
    values stay. Blocks while a small file is read.
    """
    if secret is None:
        return ()
    return _lines_of(_read_again(secret)) or _lines_of(secret)


def valid_lines(secret: str, flaw_of: Callable[[str], str | None]) -> list[str]:
    """The current values of a secret without those in which `flaw_of` finds a flaw. When none is left, the
    previous values stay.
    """
    return [value for value in lines(secret) if flaw_of(value) is None] or _lines_of(secret)


def text_now(secret: str) -> str:
    """The current text of a secret with several lines, such as a `.creds` file."""
    return _read_again(secret) or secret


def newest(secret: str) -> str:
    """The first line, which is the one that is to be valid."""
    return (_lines_of(secret) or [""])[0]


def _lines_of(text: str) -> list[str]:
    return [line for line in (each.strip() for each in text.splitlines()) if line][:LINES_MAX]


def _read_again(secret: str) -> str:
    if not isinstance(secret, FileSecret):
        return secret
    try:
        return secret.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
