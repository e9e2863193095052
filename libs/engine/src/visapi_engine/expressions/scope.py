"""The values that an expression can read, and the error with which it fails."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec


class ExpressionError(Exception):
    """An expression failed; `detail` becomes the detail of the specification's `expression` error."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class OverBudget(ExpressionError):
    """An expression took more CPU time or memory than an input of its size allows."""


Evaluation = Callable[[], str | None]
"""One evaluation by libjq, ready to run: the JSON text of its value, None for no value. Raises
`ExpressionError`."""


class Runner(Protocol):
    """Runs evaluations by libjq, and counts the bytes that expressions build."""

    def __call__(self, size: int, evaluation: Evaluation) -> str | None:
        """Run an evaluation whose input has `size` bytes. Raises `ExpressionError`."""
        ...

    def made(self, size: int) -> None:
        """An expression has built a value of `size` bytes. Raises `OverBudget`."""
        ...


class Direct:
    """A runner that evaluates in this process, without limits of its own."""

    def __call__(self, size: int, evaluation: Evaluation) -> str | None:  # noqa: ARG002 (a `Runner`)
        """As `Runner`."""
        return evaluation()

    def made(self, size: int) -> None:
        """Counts nothing."""


DIRECT = Direct()


class Scope(msgspec.Struct, frozen=True):
    """What an expression sees: `.` is `input`, `$name` is `variables["name"]`, `now` is `now_ms`.

    `variables` are named without the `$`; a name that is not given is null.
    """

    input: Any
    variables: Mapping[str, Any] = {}
    now_ms: int = 0
