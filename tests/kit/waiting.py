"""How tests wait: for a condition, never for a fixed time.

The limit is for conditions that never come true. It is long, because a machine under load may be slow, and
costs nothing where the condition does come true.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

LIMIT_S = 60.0
_EVERY_S = 0.02


async def eventually(
    condition: Callable[[], Any], *, within_s: float = LIMIT_S, what: str | None = None
) -> Any:
    """The condition's first true value. The condition may be a coroutine function."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                value = condition()
                if inspect.isawaitable(value):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"waited {within_s:g} s for {what or _text_of(condition)}") from None


def _text_of(condition: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
