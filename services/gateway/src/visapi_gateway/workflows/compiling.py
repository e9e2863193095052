"""Compile a definition as a bounded job, against the functions that the tenant may call."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.bounds import BoundExceeded
from visapi_engine.compile.compiler import Compiled, DefinitionInvalid
from visapi_engine.model.program import Validated

Functions = Callable[[str], Awaitable[Sequence[FunctionSpec]]]
"""The functions that a tenant may call."""


CheckSchema = Callable[[str, Validated], Awaitable[None]]
"""Raises `ProblemError` for an input schema that cannot be used."""


class Compile(Protocol):
    async def __call__(
        self, tenant: str, source: bytes, media_type: str, announced: Mapping[str, FunctionSpec]
    ) -> Compiled:
        """Raises `DefinitionInvalid` that lists every mistake, and `BoundExceeded`."""
        ...


class Compiling:
    """Deployment and simulation compile a definition in the same way."""

    def __init__(self, compile_: Compile, functions: Functions, check_schema: CheckSchema) -> None:
        self._compile = compile_
        self._functions = functions
        self._check_schema = check_schema

    async def __call__(self, tenant: str, source: bytes, media_type: str) -> Compiled:
        """Raises `ProblemError` 422 with every mistake."""
        announced = {function.name: function for function in await self._functions(tenant)}
        try:
            compiled = await self._compile(tenant, source, media_type, announced)
        except BoundExceeded as over:
            mistake = FieldError("", f"the definition cannot be compiled: {over.detail}; make it smaller")
            raise DefinitionInvalid([mistake]) from None
        if compiled.program.input_schema is not None:
            await self._check_schema(tenant, compiled.program.input_schema)
        return compiled
