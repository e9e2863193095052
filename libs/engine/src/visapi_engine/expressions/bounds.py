"""Bounds the size and the depth of the values that expressions build.

Equal parts of a value are shared in memory, so a loop of `{a: ., b: .}` costs nothing there but doubles the
stored size. Therefore every value that an expression builds is measured by its encoded size; a part of an
existing value is not measured again.
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
"""Levels of the encoder that callers may have used already; how many differs."""
_SMALL = (int, float, bool, type(None))
_encode = msgspec.json.Encoder().encode


def bounded(value: Any, run: Runner) -> Any:
    """The value itself. Raises `ExpressionError` when it is too large or too deep."""
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
    """Whether a large value is too deep, found in the time of one encoding, and exact to some levels: the
    value is put inside so many arrays that the encoder has only `BUILT_DEPTH_MAX` levels left for it.
    """
    try:
        _encode(_nested(value, _levels() - BUILT_DEPTH_MAX - _SPARE))
    except RecursionError:
        return True
    return False


@cache
def _levels() -> int:
    """How many levels the encoder can nest, called from about here."""
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
