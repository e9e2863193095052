"""The first thing that keeps a document from being read; later ones cannot be known."""

from typing import NamedTuple


class Position(NamedTuple):
    """A place in a text; both count from 1, columns in characters."""

    line: int
    column: int


class Unreadable(Exception):
    """The bytes are no document: a syntax error, a duplicate key, a limit."""

    def __init__(self, pointer: str, detail: str, position: Position | None = None) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail
        self.position = position
