"""Compiling a definition off the event loop, against the functions that the tenant's workers announced."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import ProblemError
from visapi_engine.definition.compile import Compiled

COMPILE_TIMEOUT_S = 20.0

Functions = Callable[[str], Awaitable[Sequence[FunctionSpec]]]
"""The functions that a tenant may call."""


class Compile(Protocol):
    def __call__(self, source: bytes, media_type: str, announced: Mapping[str, FunctionSpec]) -> Compiled:
        """Raises `ProblemError` that lists every mistake."""
        ...


class Compiling:
    """Deployment and simulation read a definition alike."""

    def __init__(self, compile_: Compile, functions: Functions) -> None:
        self._compile = compile_
        self._functions = functions

    async def __call__(self, tenant: str, source: bytes, media_type: str) -> Compiled:
        """Raises `ProblemError` 422 with every mistake."""
        announced = {function.name: function for function in await self._functions(tenant)}
        try:
            async with asyncio.timeout(COMPILE_TIMEOUT_S):
                return await asyncio.to_thread(self._compile, source, media_type, announced)
        except TimeoutError:
            detail = f"the definition takes more than {COMPILE_TIMEOUT_S:.0f} s to compile; make it smaller"
            raise ProblemError("definition_invalid", detail, status=422) from None
