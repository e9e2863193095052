"""What an expression sees, and the one way in which it fails."""

from collections.abc import Mapping
from typing import Any

import msgspec


class ExpressionError(Exception):
    """An expression failed; `detail` becomes the detail of the specification's `expression` error."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Scope(msgspec.Struct, frozen=True):
    """What an expression sees: `.` is `input`, `$name` is `variables["name"]`, `now` is `now_ms`.

    `variables` are named without the `$`; a name that is not given is null.
    """

    input: Any
    variables: Mapping[str, Any] = {}
    now_ms: int = 0
