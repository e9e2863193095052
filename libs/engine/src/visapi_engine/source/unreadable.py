"""The first mistake that makes a document unreadable; later mistakes cannot be known."""

from typing import NamedTuple


class Position(NamedTuple):
    """A position in a text; line and column count from 1, columns in characters."""

    line: int
    column: int


class Unreadable(Exception):
    """The bytes are no document: a syntax error, a duplicate key, or a limit exceeded."""

    def __init__(self, pointer: str, detail: str, position: Position | None = None) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail
        self.position = position
