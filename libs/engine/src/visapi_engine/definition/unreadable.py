"""The first thing that keeps a document from being read; later ones cannot be known."""


class Unreadable(Exception):
    """The bytes are no document: a syntax error, a duplicate key, a limit."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail
