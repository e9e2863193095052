"""How large a value that an expression makes may be.

Values are shared while they are in memory, so that a loop of `{a: ., b: .}` costs nothing there and doubles
what is stored. Therefore what is made, other than a part of what was there, is measured as it would be
stored.
"""

from typing import Any

import msgspec

from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_engine.expressions.scope import ExpressionError, Runner

DEPTH_SPARE = 100
"""Levels that a value leaves to whatever it is stored in."""
TOO_DEEP = "the data is nested too deeply"
_SHALLOW = 150
"""With no more brackets than this a value cannot be nested too deeply."""
_SMALL = (int, float, bool, type(None))
_encode = msgspec.json.Encoder().encode


def bounded(value: Any, run: Runner) -> Any:
    """The value itself. Raises `ExpressionError` for one that is too large or too deep."""
    if isinstance(value, _SMALL):
        return value
    try:
        body = _encode(value)
        run.made(len(body))
        _check(len(body), body.count(b"[") + body.count(b"{"), value)
    except RecursionError as error:
        raise ExpressionError(TOO_DEEP) from error
    except ValueError as error:
        raise ExpressionError(str(error)) from error
    return value


def decoded(text: str, run: Runner) -> Any:
    """The same for a value that is given as JSON."""
    run.made(len(text))
    _check(len(text), 0, None)
    value = msgspec.json.decode(text)
    _check(len(text), text.count("[") + text.count("{"), value)
    return value


def _check(size: int, brackets: int, value: Any) -> None:
    if size > PAYLOAD_LIMIT:
        raise ExpressionError(f"the expression makes a value of {size} bytes; allowed are {PAYLOAD_LIMIT}")
    if brackets > _SHALLOW:
        wrapped = value
        for _ in range(DEPTH_SPARE):
            wrapped = [wrapped]
        _encode(wrapped)
