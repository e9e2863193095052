"""How large and how deep a value that an expression makes may be.

Values are shared while they are in memory, so that a loop of `{a: ., b: .}` costs nothing there and doubles
what is stored. Therefore what is made, other than a part of what was there, is measured as it would be
stored.
"""

from contextlib import suppress
from functools import cache
from typing import Any

import msgspec

from visapi_common.contracts.foreign import BUILT_DEPTH_MAX, deeper_than
from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_engine.expressions.scope import ExpressionError, Runner

TOO_DEEP = f"the data is nested too deeply; allowed are {BUILT_DEPTH_MAX} levels"
_LARGE = 256 * 1024
_LEVELS_MOST = 5_000
_SPARE = 100
"""Levels of the encoder that may be taken by callers, which differ."""
_SMALL = (int, float, bool, type(None))
_encode = msgspec.json.Encoder().encode


def bounded(value: Any, run: Runner) -> Any:
    """The value itself. Raises `ExpressionError` for one that is too large or too deep."""
    if isinstance(value, _SMALL):
        return value
    try:
        body = _encode(value)
    except RecursionError as error:
        raise ExpressionError(TOO_DEEP) from error
    except ValueError as error:
        raise ExpressionError(str(error)) from error
    run.made(len(body))
    _check(body, value)
    return value


def decoded(text: str, run: Runner) -> Any:
    """The same for a value that is given as JSON."""
    run.made(len(text))
    body = text.encode()
    _check_size(body)
    value = msgspec.json.decode(body)
    _check(body, value)
    return value


def _check_size(body: bytes) -> None:
    if len(body) > PAYLOAD_LIMIT:
        raise ExpressionError(
            f"the expression makes a value of {len(body)} bytes; allowed are {PAYLOAD_LIMIT}"
        )


def _check(body: bytes, value: Any) -> None:
    _check_size(body)
    if body.count(b"[") + body.count(b"{") <= BUILT_DEPTH_MAX:
        return
    too_deep = deeper_than(body, BUILT_DEPTH_MAX) if len(body) <= _LARGE else _leaves_no_room(value)
    if too_deep:
        raise ExpressionError(TOO_DEEP)


def _leaves_no_room(value: Any) -> bool:
    """The same for a large value, in the time of encoding it, and up to some levels too late: the encoder
    has as many levels as it has, so in what is one level of too many there is no room for the value.
    """
    try:
        _encode(_nested(value, _levels() - BUILT_DEPTH_MAX - _SPARE))
    except RecursionError:
        return True
    return False


@cache
def _levels() -> int:
    """How many levels the encoder has, from about here."""
    levels = BUILT_DEPTH_MAX
    with suppress(RecursionError):
        while levels < _LEVELS_MOST:
            _encode(_nested(None, levels))
            levels += 50
    return levels - 50


def _nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value
